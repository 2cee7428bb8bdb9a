using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Background;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Background;

/// <summary>Decisions that hold no seats do not pile up, and deleting one never gives seats away.</summary>
public sealed class SeatHoldCleanerTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Cleaner_DayByDay_DeletesDecisionsWithoutSeatsAndRefusesCopies(DatabaseProvider provider)
    {
        // The cleaner's own first round is a day away, so only this test deletes rows.
        await using var seats = await StartAsync(provider, server, ("Seats:CleaningInterval", "1.00:00:00"), ("Seats:CleaningBatch", "2"));
        var scheduleId = await seats.AddScheduleAsync();
        var (held, sold) = (Hold(scheduleId, 1), Hold(scheduleId, 2));
        await seats.AskAsync(held);
        await seats.AskAsync(sold);
        await seats.ConfirmAsync(sold.ReservationId);
        var refused = Enumerable.Range(0, 5).Select(_ => Hold(scheduleId, 1)).ToList();
        foreach (var command in refused)
            await seats.AskAsync(command);
        var released = Hold(scheduleId, 3);
        await seats.AskAsync(released);
        await seats.ReleaseAsync(released.ReservationId);
        var tombstone = Hold(scheduleId, 4);
        await seats.ReleaseAsync(tombstone.ReservationId);

        // On each day a copy of every command: refused while its decision is kept, and afterwards.
        for (var day = 0; day < 10; day++)
        {
            foreach (var command in refused.Append(released).Append(tombstone))
                Assert.IsType<SeatHoldRejected>(await seats.AskAsync(command with { SeatNumbers = [5] }));
            Assert.IsType<SeatsHeld>(await seats.AskAsync(held));
            Assert.IsType<SeatsConfirmed>(await seats.ConfirmAsync(sold.ReservationId));
            Assert.Equal(8, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
            seats.Clock.Advance(TimeSpan.FromDays(1));
            await CleanAsync(seats);
        }

        var left = await seats.Service.WithAsync<SeatsDbContext, List<Guid>>(database =>
            database.SeatHolds.Select(hold => hold.ReservationId).ToListAsync());
        Assert.Equal(new[] { held.ReservationId, sold.ReservationId }.Order(), left.Order());
    }

    [Fact]
    public async Task Cleaner_BeforeTheRetention_DeletesNothing()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server, ("Seats:CleaningInterval", "1.00:00:00"));
        var refused = Hold(await seats.AddScheduleAsync(), 99);
        var first = await seats.AskAsync(refused);

        seats.Clock.Advance(TimeSpan.FromDays(7));
        await CleanAsync(seats);

        Assert.Equal("SEAT_NOT_FOUND", Assert.IsType<SeatHoldRejected>(first).Code);
        Assert.Equal("SEAT_NOT_FOUND", Assert.IsType<SeatHoldRejected>(await seats.AskAsync(refused)).Code);
    }

    private static Task<bool> CleanAsync(SeatsUnderTest seats) => seats.Service.WithAsync<SeatHoldCleaner, bool>(async cleaner =>
    {
        await cleaner.RunOnceAsync(CancellationToken.None);
        return true;
    });
}
