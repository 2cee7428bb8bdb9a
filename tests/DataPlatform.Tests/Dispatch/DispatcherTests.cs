using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>The events of one reservation are sent in order; reservations do not wait for each other.</summary>
public sealed class DispatcherTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Failure_OfOneReservation_DelaysOnlyThatReservation(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.ReceiveAsync(30);
        var (poisonous, dead) = (confirmed[3].ReservationId, confirmed[7].ReservationId);
        foreach (var reservation in confirmed)
            await relay.ReceiveAsync(RelayUnderTest.Cancelled(reservation));
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId == poisonous ? 500 : arrival.ReservationId == dead ? 422 : 200;
            return Task.CompletedTask;
        };

        for (var i = 0; i < 4; i++)
        {
            await relay.SendDueAsync();
            relay.Clock.Advance(TimeSpan.FromMinutes(3));
        }

        var rows = await relay.RowsAsync();
        Assert.Equal(60, rows.Count);
        Assert.All(rows.Where(row => row.ReservationId != poisonous && row.ReservationId != dead),
            row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
        Assert.Equal([DeliveryStatus.Pending, DeliveryStatus.Pending],
            rows.Where(row => row.ReservationId == poisonous).Select(row => row.Status));
        Assert.Equal([DeliveryStatus.Dead, DeliveryStatus.Pending], rows.Where(row => row.ReservationId == dead).Select(row => row.Status));
        // A delivery that waits for an earlier event uses no attempts.
        Assert.All(rows.Where(row => row.Sequence == 2 && (row.ReservationId == poisonous || row.ReservationId == dead)),
            row => Assert.Equal(0, row.Attempts));
        Assert.Equal(4, (await relay.RowAsync(poisonous)).Attempts);
        relay.Platform.AssertInOrder();

        relay.Platform.AnswerWith(200);
        relay.Clock.Advance(TimeSpan.FromHours(1));
        await relay.SendDueAsync();
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync(poisonous, 2)).Status);
        Assert.Equal(DeliveryStatus.Pending, (await relay.RowAsync(dead, 2)).Status);
        relay.Platform.AssertInOrder();
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task SlowAnswer_OfOneDelivery_DelaysNoOther(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, isLive: true,
            settings: ("DataPlatform:Concurrency", "2"));
        var released = new TaskCompletionSource();
        var slow = (await relay.ReceiveAsync())[0].ReservationId;
        relay.Platform.Answer = (arrival, _) => arrival.ReservationId == slow ? released.Task : Task.CompletedTask;
        await Eventually.TrueAsync(() => relay.Platform.Arrivals.Count == 1, RelayUnderTest.Limit, "the slow delivery has begun");

        await relay.ReceiveAsync(20);
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).Count(row => row.Status == DeliveryStatus.Delivered) == 20,
            RelayUnderTest.Limit, "the others are delivered");
        Assert.Equal(DeliveryStatus.Pending, (await relay.RowAsync(slow)).Status);
        released.SetResult();
        await Eventually.TrueAsync(async () => (await relay.RowAsync(slow)).Status == DeliveryStatus.Delivered, RelayUnderTest.Limit,
            "the slow delivery is delivered too");
    }
}
