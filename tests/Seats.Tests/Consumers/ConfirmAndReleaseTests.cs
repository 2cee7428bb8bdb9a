using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Consumers;

public sealed class ConfirmAndReleaseTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task ConfirmSeats_Copies_SellOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync();
        var command = Hold(scheduleId, 1, 2);
        await seats.AskAsync(command);

        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => seats.ConfirmAsync(command.ReservationId)));

        Assert.All(replies, reply => Assert.Equal(new SeatsConfirmed(command.ReservationId, 1), reply));
        var schedule = await seats.AssertConsistentAsync(scheduleId);
        Assert.Equal((8, 2L, 2), (schedule.AvailableSeats, schedule.Version, schedule.Seats.Count(seat => seat.Status == SeatStatus.Sold)));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ReleaseSeats_Copies_FreeOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync();
        var held = Hold(scheduleId, 1, 2);
        var sold = Hold(scheduleId, 3, 4);
        await seats.AskAsync(held);
        await seats.AskAsync(sold);
        await seats.ConfirmAsync(sold.ReservationId);

        var replies = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(i => seats.ReleaseAsync(i % 2 == 0 ? held.ReservationId : sold.ReservationId)));

        Assert.All(replies, reply => Assert.IsType<SeatsReleased>(reply));
        var schedule = await seats.AssertConsistentAsync(scheduleId);
        Assert.Equal(10, schedule.AvailableSeats);
        // Releases that share a commit share a version.
        Assert.InRange(schedule.Version, 4, 5);
        Assert.Equal("SEATS_NOT_HELD", Assert.IsType<SeatConfirmationRejected>(await seats.ConfirmAsync(held.ReservationId)).Code);
        Assert.Equal("HOLD_RELEASED", Assert.IsType<SeatHoldRejected>(await seats.AskAsync(held)).Code);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ReleaseSeats_BeforeTheHold_RefusesIt(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();
        var command = Hold(scheduleId, 1, 2);

        Assert.Equal(new SeatsReleased(command.ReservationId, 1), await seats.ReleaseAsync(command.ReservationId));

        Assert.Equal("HOLD_RELEASED", Assert.IsType<SeatHoldRejected>(await seats.AskAsync(command)).Code);
        Assert.Equal(10, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ConfirmSeats_WithoutAHold_IsRefusedPermanently(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();
        var command = Hold(scheduleId, 1);

        Assert.Equal("SEATS_NOT_HELD", Assert.IsType<SeatConfirmationRejected>(await seats.ConfirmAsync(command.ReservationId)).Code);
        Assert.IsType<SeatHoldRejected>(await seats.AskAsync(command));
        Assert.Equal("SEATS_NOT_HELD", Assert.IsType<SeatConfirmationRejected>(await seats.ConfirmAsync(command.ReservationId)).Code);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ReleaseSeats_RacingTheHold_LeavesNothingHeld(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync(seats: 50);
        var commands = Enumerable.Range(1, 50).Select(number => Hold(scheduleId, number)).ToList();

        await Task.WhenAll(commands.SelectMany((command, i) => i % 2 == 0
            ? [seats.AskAsync(command), seats.ReleaseAsync(command.ReservationId), seats.AskAsync(command)]
            : new Task<object>[] { seats.ReleaseAsync(command.ReservationId), seats.AskAsync(command),
                seats.ReleaseAsync(command.ReservationId) }));

        Assert.Equal(50, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
        foreach (var command in commands)
            Assert.Equal(SeatHoldStatus.Released, (await seats.DecisionAsync(command.ReservationId)).Status);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ConfirmSeats_RacingTheRelease_LeavesNothingSold(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var scheduleId = await seats.AddScheduleAsync(seats: 30);
        var commands = Enumerable.Range(1, 30).Select(number => Hold(scheduleId, number)).ToList();
        await Task.WhenAll(commands.Select(seats.AskAsync));

        await Task.WhenAll(commands.SelectMany(command =>
            new[] { seats.ConfirmAsync(command.ReservationId), seats.ReleaseAsync(command.ReservationId) }));

        Assert.Equal(30, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }

    [Fact]
    public async Task ConfirmSeats_InjectedFault_IsRefusedAndStaysHeldUntilReleased()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server, ("Faults:Enabled", "true"),
            ("Faults:ConfirmSeats:RejectRate", "1"));
        var scheduleId = await seats.AddScheduleAsync();
        var command = Hold(scheduleId, 3);
        await seats.AskAsync(command);

        Assert.Equal("SEATS_NOT_HELD", Assert.IsType<SeatConfirmationRejected>(await seats.ConfirmAsync(command.ReservationId)).Code);

        var decision = await seats.DecisionAsync(command.ReservationId);
        Assert.Equal((SeatHoldStatus.Held, "SEATS_NOT_HELD"), (decision.Status, decision.Code));
        await seats.ReleaseAsync(command.ReservationId);
        Assert.Equal(10, (await seats.AssertConsistentAsync(scheduleId)).AvailableSeats);
    }
}
