using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>Of one reservation one after the other, and each reservation for itself.</summary>
public sealed class OrderTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Messages_InAnyOrderAndNumber_MakeEachDeliveryOnce(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = relay.Confirmed();
        var cancelled = RelayUnderTest.Cancelled(confirmed);
        var unpaid = RelayUnderTest.Cancelled(relay.Confirmed()) with { ConfirmedAt = null, Sequence = 1 };

        foreach (var message in new object[] { cancelled, unpaid, confirmed, confirmed, cancelled })
            await relay.PublishAsync(message);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => relay.PublishAsync(confirmed)));
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).Count == 2, RelayUnderTest.Limit, "both are written");
        await relay.PumpAsync();
        await relay.PumpAsync();

        Assert.Equal(["reservation.confirmed", "reservation.cancelled"], relay.Platform.Arrivals.Select(arrival => arrival.Type));
        Assert.All(await relay.RowsAsync(), row => Assert.Equal((confirmed.ReservationId, DeliveryStatus.Delivered), (row.ReservationId, row.Status)));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Delivery_Body_SaysWhatHappened(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = (await relay.HearAsync())[0];
        relay.Clock.Advance(TimeSpan.FromMinutes(5));
        await relay.HearAsync(RelayUnderTest.Cancelled(confirmed));
        await relay.PumpAsync();

        var head = $$$""" "reservationId":"{{{confirmed.ReservationId}}}","userId":"mina","concertId":1,"scheduleId":2,"seatNumbers":[7,8],"amount":200000,"confirmedAt":"2026-06-01T12:00:00+00:00" """.Trim();
        Assert.Equal(
            [
                $$$"""{"type":"reservation.confirmed","timestamp":"2026-06-01T12:00:00+00:00","data":{"schemaVersion":1,"sequence":1,{{{head}}}}}""",
                $$$"""{"type":"reservation.cancelled","timestamp":"2026-06-01T12:05:00+00:00","data":{"schemaVersion":1,"sequence":2,{{{head}}},"cancelledAt":"2026-06-01T12:05:00+00:00"}}"""
            ],
            relay.Platform.Arrivals.Select(arrival => arrival.Body));
        Assert.All(relay.Platform.Arrivals, arrival => Platform.IsSigned(arrival, RelayUnderTest.Secret, relay.Clock.GetUtcNow()));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Poison_OfOneReservation_HoldsBackOnlyItself(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.HearAsync(30);
        var (poisonous, dead) = (confirmed[3].ReservationId, confirmed[7].ReservationId);
        foreach (var one in confirmed)
            await relay.HearAsync(RelayUnderTest.Cancelled(one));
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId == poisonous ? 500 : arrival.ReservationId == dead ? 422 : 200;
            return Task.CompletedTask;
        };

        for (var i = 0; i < 4; i++)
        {
            await relay.PumpAsync();
            relay.Clock.Advance(TimeSpan.FromMinutes(3));
        }

        var rows = await relay.RowsAsync();
        Assert.Equal(60, rows.Count);
        Assert.All(rows.Where(row => row.ReservationId != poisonous && row.ReservationId != dead), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
        Assert.Equal([DeliveryStatus.Pending, DeliveryStatus.Pending], rows.Where(row => row.ReservationId == poisonous).Select(row => row.Status));
        Assert.Equal([DeliveryStatus.Dead, DeliveryStatus.Pending], rows.Where(row => row.ReservationId == dead).Select(row => row.Status));
        // What waits for an earlier one uses no attempt up.
        Assert.All(rows.Where(row => row.Sequence == 2 && (row.ReservationId == poisonous || row.ReservationId == dead)), row => Assert.Equal(0, row.Attempts));
        Assert.Equal(4, (await relay.RowAsync(poisonous)).Attempts);
        InOrder(relay.Platform);

        relay.Platform.AnswerWith(200);
        relay.Clock.Advance(TimeSpan.FromHours(1));
        await relay.PumpAsync();
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync(poisonous, 2)).Status);
        Assert.Equal(DeliveryStatus.Pending, (await relay.RowAsync(dead, 2)).Status);
        InOrder(relay.Platform);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Answer_ThatTakesLong_HoldsUpNobodyElse(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, isLive: true, settings: ("DataPlatform:Concurrency", "2"));
        var released = new TaskCompletionSource();
        var slow = (await relay.HearAsync())[0].ReservationId;
        relay.Platform.Answer = (arrival, _) => arrival.ReservationId == slow ? released.Task : Task.CompletedTask;
        await Eventually.TrueAsync(() => relay.Platform.Arrivals.Count == 1, RelayUnderTest.Limit, "the slow one has begun");

        await relay.HearAsync(20);
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).Count(row => row.Status == DeliveryStatus.Delivered) == 20, RelayUnderTest.Limit, "the others are delivered");
        Assert.Equal(DeliveryStatus.Pending, (await relay.RowAsync(slow)).Status);
        released.SetResult();
        await Eventually.TrueAsync(async () => (await relay.RowAsync(slow)).Status == DeliveryStatus.Delivered, RelayUnderTest.Limit, "so is the slow one");
    }

    /// <summary>Nothing of a reservation arrives before what came earlier was taken.</summary>
    internal static void InOrder(Platform platform)
    {
        foreach (var reservation in platform.Arrivals.GroupBy(arrival => arrival.ReservationId))
        {
            var types = reservation.Select(arrival => arrival.Type).ToList();
            Assert.Equal(types.OrderByDescending(type => type, StringComparer.Ordinal), types);
        }
    }
}
