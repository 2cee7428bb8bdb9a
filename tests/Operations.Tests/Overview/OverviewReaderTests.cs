using ConcertSaga.Operations.Overview;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Operations.Tests.Overview;

public sealed class OverviewReaderTests(PostgreSqlServer server)
{
    [Fact]
    public async Task Overview_WithServicesAway_HasTheOthersAndNamesThem()
    {
        await using var services = await OwnerStandIn.StartAsync();
        await using var away = await OwnerStandIn.StartAsync();
        away.IsDown = true;
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null,
            [.. services.Settings("Orchestrator", "Seats", "DataPlatform"), .. away.Settings("Queue", "Points", "Payments")]);
        await operations.FailAsync(2);
        await operations.WithAsync<ProcessMonitor, bool>(async monitor =>
        {
            await monitor.RunOnceAsync(CancellationToken.None);
            return true;
        });

        var (status, overview) = await operations.CallAsync(HttpMethod.Get, "overview");

        Assert.Equal(200, status);
        Assert.Equal(["payments", "points", "queue"],
            overview.GetProperty("unavailable").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal(System.Text.Json.JsonValueKind.Null, overview.GetProperty("waitingRooms").ValueKind);
        Assert.Equal(3, overview.GetProperty("reservations").GetProperty("byState").GetProperty("ConfirmingSeats").GetInt32());
        Assert.Equal(2, overview.GetProperty("relay").GetProperty("dead").GetInt32());
        Assert.Equal((2, 0), (overview.GetProperty("failedMessages").GetInt32(), overview.GetProperty("queues").GetArrayLength()));
        Assert.Equal([("operations", "Healthy"), ("seats", "Degraded")], overview.GetProperty("processes").EnumerateArray()
            .Select(process => (process.GetProperty("service").GetString(), process.GetProperty("readiness").GetString())));
        Assert.Equal(403, (await operations.CallAsync(HttpMethod.Get, "overview", roles: "customer")).Status);
    }

    [Fact]
    public async Task Process_ThatNoLongerAnswers_IsListedForTenMinutes()
    {
        await using var services = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, services.Settings("Seats"));
        Assert.Contains("seats", await SeenAsync());
        services.IsDown = true;

        operations.Clock.Advance(TimeSpan.FromMinutes(9));
        Assert.Contains("seats", await SeenAsync());
        operations.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.DoesNotContain("seats", await SeenAsync());

        Task<List<string>> SeenAsync() => operations.WithAsync<ProcessMonitor, List<string>>(async monitor =>
        {
            await monitor.RunOnceAsync(CancellationToken.None);
            return [.. monitor.Processes.Select(process => process.Service)];
        });
    }
}
