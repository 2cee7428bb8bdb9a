using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Intake;

public sealed class EventIntakeTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Intake_OfABatch_CountsWhatEachCallCreated(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var known = PlatformEvent.Confirmed((await relay.ReceiveAsync()).Single());
        var shared = PlatformEvent.Confirmed(relay.Confirmed());

        var counts = await relay.WithAsync<EventIntake, int[]>(intake => Task.WhenAll(Enumerable.Range(0, 60).Select(number =>
        {
            PlatformEvent[] events = (number % 3) switch
            {
                0 => [known],
                1 => [known, PlatformEvent.Confirmed(relay.Confirmed())],
                _ => [shared]
            };
            return intake.AddAsync(events, CancellationToken.None);
        })));

        Assert.All(counts.Where((_, number) => number % 3 == 0), count => Assert.Equal(0, count));
        Assert.All(counts.Where((_, number) => number % 3 == 1), count => Assert.Equal(1, count));
        Assert.Equal(1, counts.Where((_, number) => number % 3 == 2).Sum());
        Assert.Equal(22, (await relay.RowsAsync()).Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Messages_InAnyOrderAndNumber_CreateEachDeliveryOnce(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = relay.Confirmed();
        var cancelled = RelayUnderTest.Cancelled(confirmed);
        var unpaid = RelayUnderTest.Cancelled(relay.Confirmed()) with { ConfirmedAt = null, Sequence = 1 };

        foreach (var message in new object[] { cancelled, unpaid, confirmed, confirmed, cancelled })
            await relay.PublishAsync(message);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => relay.PublishAsync(confirmed)));
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).Count == 2, RelayUnderTest.Limit, "both deliveries exist");
        await relay.SendDueAsync();
        await relay.SendDueAsync();

        Assert.Equal(["reservation.confirmed", "reservation.cancelled"], relay.Platform.Arrivals.Select(arrival => arrival.Type));
        Assert.All(await relay.RowsAsync(), row =>
            Assert.Equal((confirmed.ReservationId, DeliveryStatus.Delivered), (row.ReservationId, row.Status)));
    }
}
