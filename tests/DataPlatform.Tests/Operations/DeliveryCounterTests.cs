using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

[Collection(nameof(AloneCollection))]
public sealed class DeliveryCounterTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Metrics_AfterSomeDeliveries_ArePublished(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.ReceiveAsync(3);
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId == confirmed[0].ReservationId ? 400
                : arrival.ReservationId == confirmed[1].ReservationId ? 503 : 200;
            return Task.CompletedTask;
        };
        await relay.SendDueAsync();
        relay.Clock.Advance(TimeSpan.FromSeconds(90));
        await relay.WithAsync<DeliveryCounter, int>(async counter =>
        {
            await counter.CountAsync(CancellationToken.None);
            return 0;
        });

        using var client = relay.Gateway();
        var text = await client.GetStringAsync("/metrics");
        foreach (var name in new[] { "deliveries_pending", "deliveries_oldest", "deliveries_dead", "deliveries_paused",
            "deliveries_breaker_state", "deliveries_sent", "deliveries_failed" })
            Assert.Contains(name, text, StringComparison.Ordinal);
        Assert.Contains("reason=\"503\"", text, StringComparison.Ordinal);
    }
}
