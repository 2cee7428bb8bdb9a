using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Npgsql;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Consumers;

public sealed class HoldSeatsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task HoldSeats_FreeSeats_AreHeldAndAnnounced(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();
        var command = Hold(scheduleId, 7, 8) with { ConcertId = 1 };

        var reply = await seats.AskAsync(command);

        Assert.Equal(new SeatsHeld(command.ReservationId, 1, 1, Now.AddDays(30), 2_000), reply);
        var schedule = await seats.AssertConsistentAsync(scheduleId);
        Assert.Equal((8, 1L), (schedule.AvailableSeats, schedule.Version));
        var decision = await seats.DecisionAsync(command.ReservationId);
        Assert.Equal([7, 8], decision.SeatNumbers);
        await Eventually.TrueAsync(() => seats.Service.Published.Count > 0, TimeSpan.FromSeconds(60), "SeatsChanged");
        var change = Assert.IsType<SeatsChanged>(Assert.Single(seats.Service.Published));
        Assert.Equal((scheduleId, 1L), (change.ScheduleId, change.Version));
        Assert.Equal([new SeatChange(7, "Held"), new SeatChange(8, "Held")], change.Seats);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task HoldSeats_HopelessCommand_IsRefusedWithItsCode(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.SaveAsync(Concert(3, Now.AddSeconds(1), Now.AddDays(60)), Concert(4, Now.AddDays(-9), Now));
        var open = await seats.AddScheduleAsync();
        var notYetOnSale = await seats.AddScheduleAsync(concertId: 3);
        var saleOver = await seats.AddScheduleAsync(concertId: 4);
        var started = await seats.AddScheduleAsync(startsAt: Now);
        await seats.AskAsync(Hold(open, 1, 2));
        await seats.AskAsync(Hold(open, 3) with { UserId = "greedy" });

        await RefusesAsync(Hold(999, 1), "SCHEDULE_NOT_FOUND");
        await RefusesAsync(Hold(open, 5) with { ConcertId = 2 }, "QUEUE_TOKEN_WRONG_CONCERT");
        await RefusesAsync(Hold(notYetOnSale, 1), "SCHEDULE_CLOSED");
        await RefusesAsync(Hold(saleOver, 1), "SCHEDULE_CLOSED");
        await RefusesAsync(Hold(started, 1), "SCHEDULE_CLOSED");
        await RefusesAsync(Hold(open, 5, 11, 12), "SEAT_NOT_FOUND", 11, 12);
        await RefusesAsync(Hold(open), "SEAT_NOT_FOUND");
        await RefusesAsync(Hold(open, 5, 6, 7, 8) with { UserId = "greedy" }, "SEAT_LIMIT_REACHED");
        await RefusesAsync(Hold(open, 5, 6, 7, 8, 9), "SEAT_LIMIT_REACHED");
        await RefusesAsync(Hold(open, 1, 2, 4), "SEAT_UNAVAILABLE", 1, 2);
        Assert.Equal(7, (await seats.AssertConsistentAsync(open)).AvailableSeats);

        async Task RefusesAsync(HoldSeats command, string code, params int[] refused)
        {
            var first = Assert.IsType<SeatHoldRejected>(await seats.AskAsync(command));
            Assert.Equal(code, first.Code);
            Assert.Equal(refused, first.SeatNumbers);
            // A refusal is a decision: it stays, even if the seats become available.
            var repeat = Assert.IsType<SeatHoldRejected>(await seats.AskAsync(command));
            Assert.Equal(code, repeat.Code);
            Assert.Equal(refused, repeat.SeatNumbers);
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task HoldSeats_TwoHundredForOneSeat_ExactlyOneIsHeld(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync();

        var replies = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => seats.AskAsync(Hold(scheduleId, 7))));

        Assert.Single(replies.OfType<SeatsHeld>());
        Assert.All(replies.OfType<SeatHoldRejected>(), refused => Assert.Equal("SEAT_UNAVAILABLE", refused.Code));
        Assert.All(replies.OfType<SeatHoldRejected>(), refused => Assert.Equal([7], refused.SeatNumbers));
        Assert.Equal(199, replies.OfType<SeatHoldRejected>().Count());
        Assert.Equal(9, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task HoldSeats_OverlappingPairs_NoSeatIsHeldTwice(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync(seats: 20);

        // Each seat is in ten pairs; every second pair has the other order.
        var replies = await Task.WhenAll(Enumerable.Range(0, 100).Select(i =>
        {
            var (a, b) = (i % 20 + 1, (i + 1 + i / 20) % 20 + 1);
            return seats.AskAsync(i % 2 == 0 ? Hold(scheduleId, a, b) : Hold(scheduleId, b, a));
        }));

        var held = replies.OfType<SeatsHeld>().Count();
        Assert.Equal(replies.Length, held + replies.OfType<SeatHoldRejected>().Count());
        Assert.InRange(held, 5, 10);
        Assert.Equal(20 - 2 * held, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task HoldSeats_CopiesAtTheSameMoment_HaveOneEffectAndOneReply(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync();
        var command = Hold(scheduleId, 1, 2);

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => seats.AskAsync(command)));

        Assert.All(replies, reply => Assert.Equal(new SeatsHeld(command.ReservationId, 1, 1, Now.AddDays(30), 2_000), reply));
        Assert.Equal((8, 1L), await MapOf(seats, scheduleId));

        await seats.ConfirmAsync(command.ReservationId);
        Assert.IsType<SeatsHeld>(await seats.AskAsync(command));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task HoldSeats_OneUserManyReservationsAtTheSameMoment_StaysWithinTheLimit(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server, ("Seats:MaxPerUserAndConcert", "3"));
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync();

        var replies = await Task.WhenAll(Enumerable.Range(1, 10)
            .Select(number => seats.AskAsync(Hold(scheduleId, number) with { UserId = "greedy" })));

        Assert.Equal(3, replies.OfType<SeatsHeld>().Count());
        Assert.All(replies.OfType<SeatHoldRejected>(), refused => Assert.Equal("SEAT_LIMIT_REACHED", refused.Code));
        // Released seats no longer count.
        await seats.ReleaseAsync(replies.OfType<SeatsHeld>().First().ReservationId);
        var free = (await seats.AssertConsistentAsync(scheduleId)).Seats.First(seat => seat.Status == SeatStatus.Available);
        Assert.IsType<SeatsHeld>(await seats.AskAsync(Hold(scheduleId, free.Number) with { UserId = "greedy" }));
    }

    /// <summary>An import can lock a schedule for long.</summary>
    [Fact]
    public async Task HoldSeats_OfOtherSchedulesThanALockedOne_DoNotWait()
    {
        await using var seats = await StartAsync(DatabaseProvider.PostgreSql, server);
        await seats.WarmUpAsync();
        var locked = await seats.AddScheduleAsync();
        var free = await seats.AddScheduleAsync(seats: 20);
        Task<object[]> waiting;
        await using (var import = new NpgsqlConnection(seats.ConnectionString))
        {
            await import.OpenAsync();
            await using var transaction = await import.BeginTransactionAsync();
            await using var lockRow = new NpgsqlCommand(
                $"""UPDATE "Schedules" SET "TotalSeats" = "TotalSeats" WHERE "ScheduleId" = {locked}""", import, transaction);
            await lockRow.ExecuteNonQueryAsync();

            waiting = Task.WhenAll(Enumerable.Range(1, 3).Select(number => seats.AskAsync(Hold(locked, number))));
            var replies = await Task.WhenAll(Enumerable.Range(1, 20).Select(number => seats.AskAsync(Hold(free, number))));

            Assert.All(replies, reply => Assert.IsType<SeatsHeld>(reply));
            Assert.False(waiting.IsCompleted);
            await transaction.CommitAsync();
        }
        Assert.All(await waiting, reply => Assert.IsType<SeatsHeld>(reply));
        await seats.AssertConsistentAsync(locked);
    }

    [Fact]
    public async Task HoldSeats_InjectedFault_IsRefusedPermanently()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server, ("Faults:Enabled", "true"),
            ("Faults:HoldSeats:RejectRate", "1"));
        var scheduleId = await seats.AddScheduleAsync();
        var command = Hold(scheduleId, 3);

        var refused = Assert.IsType<SeatHoldRejected>(await seats.AskAsync(command));

        Assert.Equal("SEAT_UNAVAILABLE", refused.Code);
        Assert.Equal([3], refused.SeatNumbers);
        Assert.Equal(SeatHoldStatus.Refused, (await seats.DecisionAsync(command.ReservationId)).Status);
        Assert.Equal((10, 0L), await MapOf(seats, scheduleId));
    }

    private static async Task<(int Available, long Version)> MapOf(SeatsUnderTest seats, int scheduleId)
    {
        var schedule = await seats.AssertConsistentAsync(scheduleId);
        return (schedule.AvailableSeats, schedule.Version);
    }
}
