using System.Globalization;
using System.Text.RegularExpressions;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

/// <summary>While deliveries wait, the health check, a metric and one log line report the reason.</summary>
[Collection(nameof(AloneCollection))]
public sealed partial class DestinationHealthTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory]
    [InlineData("401", 1, "401 Unauthorized")]
    [InlineData("429", 1, "429 Too Many Requests")]
    [InlineData("500", 12, "500 Internal Server Error")]
    [InlineData("address", 1, "not public")]
    public async Task Trouble_OfTheDestination_IsLoggedOnceAtItsBeginningAndEnd(string kind, int deliveries, string reason)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, settings:
            [("DataPlatform:BreakerMinimum", "10"), ("DataPlatform:AllowedNetworks", kind == "address" ? "10.99.0.0/16" : "127.0.0.0/8")]);
        Assert.Equal(HealthStatus.Healthy, (await HealthAsync(relay)).Status);
        if (kind != "address")
            relay.Platform.AnswerWith(int.Parse(kind, CultureInfo.InvariantCulture));
        await relay.ReceiveAsync(deliveries);
        for (var minute = 0; minute < 10; minute++)
        {
            await relay.SendDueAsync();
            relay.Clock.Advance(TimeSpan.FromMinutes(5));
        }

        var health = await HealthAsync(relay);
        Assert.Equal(HealthStatus.Degraded, health.Status);
        Assert.Contains(reason, health.Description, StringComparison.Ordinal);
        await ShowsAsync(relay, "deliveries_troubled 1");
        Assert.Contains(reason, Assert.Single(relay.Log, line => line.Contains("accepts no deliveries", StringComparison.Ordinal)),
            StringComparison.Ordinal);
        using (var view = await relay.CallAsync(HttpMethod.Get, "/destination"))
            Assert.Contains(reason, await view.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        if (kind == "address")
            return;

        relay.Platform.AnswerWith(200);
        // The next trial may be one pause away.
        for (var minute = 0; minute < 3; minute++)
        {
            await relay.SendDueAsync();
            relay.Clock.Advance(TimeSpan.FromMinutes(5));
        }
        Assert.Equal(HealthStatus.Healthy, (await HealthAsync(relay)).Status);
        await ShowsAsync(relay, "deliveries_troubled 0");
        Assert.Single(relay.Log, line => line.Contains("accepts deliveries again", StringComparison.Ordinal));
        Assert.Single(relay.Log, line => line.Contains("accepts no deliveries", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Destination_Unreachable_IsReportedWithoutTheClientsWords()
    {
        var address = $"http://127.0.0.1:{ConcertSaga.Testing.Processes.LoopbackPort.Free()}/events";
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, settings:
            [("DataPlatform:BreakerMinimum", "10"), ("DataPlatform:Destination", address)]);
        await relay.ReceiveAsync(12);
        await relay.SendDueAsync();

        var health = await HealthAsync(relay);
        Assert.EndsWith(": It cannot be reached.", health.Description, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1", Assert.Single(relay.Log, line => line.Contains("accepts no deliveries", StringComparison.Ordinal)),
            StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Pause_ByAnOperatorOrTheDestination_IsReported(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        foreach (var (by, reason) in new[] { ("olga", "Maintenance of the platform."), ("relay", "410 Gone") })
        {
            relay.Log.Clear();
            relay.Platform.AnswerWith(by == "relay" ? 410 : 200);
            if (by == "olga")
                (await relay.CallAsync(HttpMethod.Post, "/destination/pause", new { reason })).Dispose();
            await relay.ReceiveAsync();
            await relay.SendDueAsync();
            await CountAsync(relay);
            await CountAsync(relay);
            var health = await HealthAsync(relay);
            Assert.Equal(HealthStatus.Degraded, health.Status);
            Assert.Contains($"paused by {by}", health.Description, StringComparison.Ordinal);
            Assert.Contains(reason, health.Description, StringComparison.Ordinal);
            Assert.Contains(reason, Assert.Single(relay.Log, line => line.Contains("are paused by", StringComparison.Ordinal)),
                StringComparison.Ordinal);

            relay.Platform.AnswerWith(200);
            (await relay.CallAsync(HttpMethod.Post, "/destination/resume", new { reason = "Done." })).Dispose();
            await relay.SendDueAsync();
            await CountAsync(relay);
            Assert.Single(relay.Log, line => line.Contains("no longer paused", StringComparison.Ordinal));
            Assert.Equal(HealthStatus.Healthy, (await HealthAsync(relay)).Status);
        }
    }

    private static async Task<HealthReportEntry> HealthAsync(RelayUnderTest relay) =>
        (await relay.WithAsync<HealthCheckService, HealthReport>(health =>
            health.CheckHealthAsync(TestContext.Current.CancellationToken))).Entries["destination"];

    // The metrics page is cached briefly. Labels and units vary.
    private static Task ShowsAsync(RelayUnderTest relay, string expected) => Eventually.TrueAsync(async () =>
    {
        using var client = relay.Gateway();
        return (await client.GetStringAsync("/metrics")).Split('\n')
            .Any(line => expected == Sample().Replace(line, "deliveries_troubled $1"));
    }, RelayUnderTest.Limit, expected);

    [GeneratedRegex(@"^deliveries_troubled\w*(?:\{[^}]*\})? (\S+).*$")]
    private static partial Regex Sample();

    private static Task<int> CountAsync(RelayUnderTest relay) => relay.WithAsync<DeliveryCounter, int>(async counter =>
    {
        await counter.CountAsync(CancellationToken.None);
        return 0;
    });
}
