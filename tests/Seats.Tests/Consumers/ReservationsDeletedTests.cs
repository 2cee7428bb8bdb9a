using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Consumers;

public sealed class ReservationsDeletedTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Reservations_Deleted_LoseTheirHoldsButNoSeat(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 4);
        var holds = Enumerable.Range(1, 4).Select(number => Hold(scheduleId, number)).ToList();
        foreach (var hold in holds)
            await seats.AskAsync(hold);
        await seats.ConfirmAsync(holds[0].ReservationId);
        await seats.ConfirmAsync(holds[1].ReservationId);
        await seats.ReleaseAsync(holds[2].ReservationId);

        // A copy of the event changes nothing.
        for (var i = 0; i < 2; i++)
            await seats.PublishAsync(new ReservationsDeleted([holds[0].ReservationId, holds[2].ReservationId, holds[3].ReservationId]));

        await Eventually.TrueAsync(async () => (await HoldsAsync()).Count == 2, TimeSpan.FromSeconds(60), "the holds are deleted");
        // The second is not among them. The fourth is still held, so its seats are in a sale.
        Assert.Equal(new[] { holds[1].ReservationId, holds[3].ReservationId }.Order(), (await HoldsAsync()).Order());
        Assert.Equal([SeatStatus.Sold, SeatStatus.Sold, SeatStatus.Available, SeatStatus.Held],
            (await seats.ScheduleAsync(scheduleId)).Seats.OrderBy(seat => seat.Number).Select(seat => seat.Status));
        seats.Clock.Advance(TimeSpan.FromDays(400));
        Assert.IsType<SeatHoldRejected>(await seats.AskAsync(holds[0] with { SeatNumbers = [3] }));

        Task<List<Guid>> HoldsAsync() => seats.Service.WithAsync<SeatsDbContext, List<Guid>>(database =>
            database.SeatHolds.Select(hold => hold.ReservationId).ToListAsync());
    }
}
