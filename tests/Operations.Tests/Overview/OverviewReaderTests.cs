using ConcertSaga.Operations.Overview;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
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
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        // A monitor that only this test runs, with a clock of its own.
        var clock = new ShiftedClock();
        var monitor = await operations.WithAsync<IServiceProvider, ProcessMonitor>(provider =>
            Task.FromResult(ActivatorUtilities.CreateInstance<ProcessMonitor>(
                provider, clock, Options.Create(new OperationsOptions { SeatsAddress = services.Address }))));
        // An answer that is late by a minute counts for the time of its question.
        services.Describing = () => clock.Advance(TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(async () => (await SeenAsync()).Contains("seats"), OperationsUnderTest.Limit, "Seats has answered");
        services.IsDown = true;

        clock.Advance(TimeSpan.FromMinutes(8.5));
        Assert.Contains("seats", await SeenAsync());
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.DoesNotContain("seats", await SeenAsync());

        async Task<List<string>> SeenAsync()
        {
            await monitor.RunOnceAsync(CancellationToken.None);
            return [.. monitor.Processes.Select(process => process.Service)];
        }
    }
}
