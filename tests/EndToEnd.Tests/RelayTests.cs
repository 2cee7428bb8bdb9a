using ConcertSaga.DevReceiver;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// The data platform receives the outcomes of paid reservations. An outage of the platform affects only the relay.
/// </summary>
[Trait("Part", "Sale")]
public sealed class RelayTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster, Traits = ["Category", "Containers"])]
    public async Task Reservation_ConfirmedAndCancelled_IsDeliveredOnceEachInOrder(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var held = await customer.ReserveAsync(system.Seats.Take(1), prefer: "wait=10");
        Assert.True(held.Status == 201, held.ToString());
        Assert.Equal(200, (await customer.CancelAsync(held.ReservationId, prefer: "wait=10")).Status);
        var seats = system.Seats.Take(2);
        var bought = await customer.ReserveAsync(seats, pay: true, prefer: "wait=10");
        Assert.True(bought.Status == 201, bought.ToString());
        await Eventually.TrueAsync(async () => (await system.ReadEventsAsync(bought.ReservationId)).Count == 1, Limit,
            "the platform has received the purchase");
        Assert.Equal(200, (await customer.CancelAsync(bought.ReservationId, prefer: "wait=10")).Status);
        await Eventually.TrueAsync(async () => (await system.ReadEventsAsync(bought.ReservationId)).Count == 2, Limit,
            "the platform has received the cancellation");

        var events = await system.ReadEventsAsync(bought.ReservationId);
        Assert.Equal([("reservation.confirmed", 1, 1), ("reservation.cancelled", 2, 1)],
            events.Select(received => (received.Type, received.Sequence, received.Times)));
        var report = await system.ReadReportAsync();
        Assert.Equal((0, 0), (report.OutOfOrder, report.Refused.Count));
        foreach (var received in events)
        {
            var data = report.Last.Single(last => last.Event.Id == received.Id).Body!.Value.GetProperty("data");
            Assert.Equal((customer.UserId, seats.ScheduleId, bought.Number("totalPrice"), received.Sequence, 1),
                (data.GetProperty("userId").GetString(), data.GetProperty("scheduleId").GetInt32(), data.GetProperty("amount").GetInt64(),
                    data.GetProperty("sequence").GetInt32(), data.GetProperty("schemaVersion").GetInt32()));
            Assert.Equal(seats.Numbers, data.GetProperty("seatNumbers").EnumerateArray().Select(seat => seat.GetInt32()));
        }
        // The platform receives only paid reservations.
        Assert.Empty(await system.ReadEventsAsync(held.ReservationId));
        await Auditor.CheckAsync(system, Limit);
    }

    [Fact]
    public async Task Platform_AfterAnOutage_ReceivesEveryEvent()
    {
        var system = (ClusterSystem)await systems.GetAsync(SystemKind.Cluster, database, broker);
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
            await Eventually.TrueAsync(() => system.Platform.Report().Failed >= failed + 3, Limit, "the relay has tried to deliver");
        }
        finally
        {
            system.Platform.Behaviour = new Behaviour();
        }

        // Failed deliveries back off for up to half a minute.
        await Auditor.CheckAsync(system, TimeSpan.FromSeconds(90));
    }
}
