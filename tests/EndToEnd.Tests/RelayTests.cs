using ConcertSaga.DataPlatformStub;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>What becomes of paid reservations reaches the data platform, and a platform that is down is nobody's trouble but the relay's.</summary>
public sealed class RelayTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Reservation_ConfirmedAndCancelled_IsToldOnceEachInOrder(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var held = await customer.ReserveAsync(system.Seats.Take(1), prefer: "wait=10");
        Assert.True(held.Status == 201, held.ToString());
        Assert.Equal(200, (await customer.CancelAsync(held.ReservationId, prefer: "wait=10")).Status);
        var seats = system.Seats.Take(2);
        var bought = await customer.ReserveAsync(seats, pay: true, prefer: "wait=10");
        Assert.True(bought.Status == 201, bought.ToString());
        await Eventually.TrueAsync(async () => (await system.ToldOfAsync(bought.ReservationId)).Count == 1, Limit, "the platform is told of the purchase");
        Assert.Equal(200, (await customer.CancelAsync(bought.ReservationId, prefer: "wait=10")).Status);
        await Eventually.TrueAsync(async () => (await system.ToldOfAsync(bought.ReservationId)).Count == 2, Limit, "the platform is told of the cancellation");

        var told = await system.ToldOfAsync(bought.ReservationId);
        Assert.Equal([("reservation.confirmed", 1, 1), ("reservation.cancelled", 2, 1)], told.Select(one => (one.Type, one.Sequence, one.Times)));
        var report = await system.ToldAsync();
        Assert.Equal((0, 0), (report.OutOfOrder, report.Refused.Count));
        foreach (var one in told)
        {
            var data = report.Last.Single(last => last.Event.Id == one.Id).Body!.Value.GetProperty("data");
            Assert.Equal((customer.UserId, seats.ScheduleId, bought.Number("totalPrice"), one.Sequence, 1),
                (data.GetProperty("userId").GetString(), data.GetProperty("scheduleId").GetInt32(), data.GetProperty("amount").GetInt64(),
                    data.GetProperty("sequence").GetInt32(), data.GetProperty("schemaVersion").GetInt32()));
            Assert.Equal(seats.Numbers, data.GetProperty("seatNumbers").EnumerateArray().Select(seat => seat.GetInt32()));
        }
        // One that was never paid is none of the platform's business.
        Assert.Empty(await system.ToldOfAsync(held.ReservationId));
        await Auditor.CheckAsync(system, Limit);
    }

    [Fact]
    public async Task Platform_DownForAWhile_IsToldOfEverythingAfterwards()
    {
        var system = (ClusterSystem)await systems.GetAsync(SystemKind.Cluster, database, broker, ("DataPlatform:BreakerPause", "00:00:01"));
        var crowd = await Customer.SignInAsync(system, 12, points: 1_000_000);
        var failed = system.Platform.Report().Failed;
        system.Platform.Behaviour = new Behaviour { FailRate = 1, Status = 503, ResetRate = 0.3 };
        try
        {
            await Task.WhenAll(crowd.Select(async (customer, index) =>
            {
                var answer = await customer.ReserveAsync(system.Seats.Take(1), pay: true, prefer: "wait=10");
                Assert.True(answer.Status == 201, answer.ToString());
                if (index % 2 == 0)
                    Assert.Equal(200, (await customer.CancelAsync(answer.ReservationId, prefer: "wait=10")).Status);

            }));
            await Eventually.TrueAsync(() => system.Platform.Report().Failed >= failed + 3, Limit, "the platform was tried");
        }
        finally
        {
            system.Platform.Behaviour = new Behaviour();
        }

        // Those that were tried in vain wait for their time, up to half a minute.
        await Auditor.CheckAsync(system, TimeSpan.FromSeconds(90));
    }
}
