using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>What a customer sees of a cancelled schedule.</summary>
public sealed class ScheduleCancelledTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    private const string Code = "SCHEDULE_CANCELLED";

    private readonly User _user = host.User();

    [Fact]
    public async Task Hold_OfACancelledSchedule_IsReleasedAndCannotBePaid()
    {
        var key = Guid.CreateVersion7();
        var id = (await _user.ReserveAsync(key: key)).Is(201).ReservationId;
        await CancelAsync(id);

        Assert.Equal(Code, (await _user.GetAsync(id)).Body.GetProperty("failure").GetProperty("code").GetString());
        (await _user.PayAsync(id)).Is(409, Code).Has("Cancelled");
        (await _user.CancelAsync(id)).Is(200).Has("Cancelled");
        // The first answer was that the seats are held.
        (await _user.ReserveAsync(key: key)).Is(201).Has("Cancelled");
        Assert.Single(_user.Script.Commands.OfType<ReleaseSeats>());
        Assert.Empty(_user.Script.Commands.OfType<RefundPoints>());
    }

    [Fact]
    public async Task Purchase_OfACancelledSchedule_IsRefundedOnce()
    {
        var id = await _user.HoldAsync();
        (await _user.PayAsync(id)).Is(200);
        await CancelAsync(id);
        // A copy of the change, and another change.
        await CancelAsync(id);

        Assert.Equal(Code, (await _user.GetAsync(id)).Body.GetProperty("failure").GetProperty("code").GetString());
        (await _user.PayAsync(id)).Is(409, Code).Has("Cancelled");
        Assert.Equal([typeof(CancelPayment), typeof(RefundPoints), typeof(ReleaseSeats)],
            _user.Script.Commands.Select(command => command.GetType()).TakeLast(3));
        Assert.Single(_user.Script.Commands.OfType<RefundPoints>());
    }

    /// <summary>Seats refuses the sale before the operation reaches the reservation.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Payment_RefusedBySeats_IsRefundedOnce(bool withReservation)
    {
        _user.Script.ConfirmSeats = c => new SeatConfirmationRejected(c.ReservationId, c.Attempt, Code);
        var key = Guid.CreateVersion7();
        var body = new { scheduleId = 31, seatNumbers = new[] { 7, 8 }, pay = withReservation };
        var reserved = await _user.ReserveAsync(body, key);
        var id = reserved.ReservationId;

        (withReservation ? reserved : await _user.PayAsync(id)).Is(409, Code).Has("Failed");

        await host.HandleAsync(new CancelReservationByOperator(id, Guid.CreateVersion7(), "olga", "The band is ill.", Code));
        var failure = (await _user.GetAsync(id)).Has("Failed").Body.GetProperty("failure");
        Assert.Equal((Code, "The schedule was cancelled."),
            (failure.GetProperty("code").GetString(), failure.GetProperty("detail").GetString()));
        (await _user.PayAsync(id)).Is(409, Code).Has("Failed");
        Assert.Equal([typeof(CancelPayment), typeof(RefundPoints), typeof(ReleaseSeats)],
            _user.Script.Commands.Select(command => command.GetType()).SkipWhile(type => type != typeof(ConfirmSeats)).Skip(1));
    }

    /// <summary>A call that asked for more than the hold is refused, because it got nothing.</summary>
    [Fact]
    public async Task Request_CancelledBeforeItsPayment_IsRefused()
    {
        var key = Guid.CreateVersion7();
        var body = new { scheduleId = 31, seatNumbers = new[] { 7, 8 }, pay = true };
        _user.Script.Deduct = _ => null;
        var id = (await _user.ReserveAsync(body, key, "respond-async")).ReservationId;
        await host.UntilItLeavesAsync(id, ReservationStates.HoldingSeats, TimeSpan.Zero);
        await CancelAsync(id);

        (await _user.ReserveAsync(body, key)).Is(409, Code).Has("Cancelled");
    }

    private async Task CancelAsync(Guid id)
    {
        await host.HandleAsync(new CancelReservationByOperator(id, Guid.CreateVersion7(), "olga", "The band is ill.", Code));
        await host.UntilItEndsAsync(id, ReservationStates.Cancelled, TimeSpan.Zero);
    }
}
