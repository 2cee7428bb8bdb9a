using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>Makes a typical reservation for each state, and the message of each event for it.</summary>
internal static class Given
{
    public const long Price = 200_000;

    public static readonly TimeSpan HoldLeft = TimeSpan.FromMinutes(4);

    private static readonly string[] Waiting =
        [HoldingSeats, DeductingPoints, ConfirmingPayment, ConfirmingSeats, CancellingPayment, RefundingPoints, ReleasingSeats];

    private static readonly string[] Compensating = [CancellingPayment, RefundingPoints, ReleasingSeats];

    private static readonly string[] Ended = [Confirmed, Rejected, Expired, Cancelled, Failed];

    /// <summary>A reservation in a state, whose deadline is now and whose command was sent once.</summary>
    public static Reservation In(string state)
    {
        var held = state is not (Requested or HoldingSeats or Rejected);
        var paying = held && state is not (AwaitingPayment or Expired);
        return new Reservation
        {
            CorrelationId = Guid.CreateVersion7(Machine.Start),
            CurrentState = state,
            UserId = "mina",
            UnpaidUserId = Ended.Contains(state) ? null : "mina",
            ConcertId = held ? 3 : null,
            ScheduleId = 31,
            SeatNumbers = [7, 8],
            StartsAt = held ? Machine.Start.AddDays(30) : null,
            TotalPrice = held ? Price : null,
            PaymentAttempt = paying ? 1 : 0,
            PaymentId = state is ConfirmingSeats or Confirmed ? Guid.CreateVersion7(Machine.Start) : null,
            Outcome = Ended.Contains(state) ? state : Compensating.Contains(state) ? Failed : null,
            FailureCode = Compensating.Contains(state) || state is Failed ? "STEP_TIMED_OUT" : null,
            StepAttempts = Waiting.Contains(state) ? 1 : 0,
            HoldExpiresAt = held ? Machine.Start + HoldLeft : null,
            Deadline = Ended.Contains(state) ? null : Machine.Start,
            ConfirmedAt = state is Confirmed ? Machine.Start.AddMinutes(-1) : null,
            CreatedAt = Machine.Start.AddMinutes(-1),
            UpdatedAt = Machine.Start.AddMinutes(-1),
            Version = 4
        };
    }

    /// <summary>A message that the reservation would accept if its state allowed: attempt and version match the row.</summary>
    public static object Message(string name, Reservation row) => name switch
    {
        nameof(RequestReservation) => new RequestReservation(row.CorrelationId),
        nameof(SeatsHeld) => new SeatsHeld(row.CorrelationId, 1, 3, Machine.Start.AddDays(30), Price),
        nameof(SeatHoldRejected) => new SeatHoldRejected(row.CorrelationId, 1, "SEAT_UNAVAILABLE", [7]),
        nameof(PayReservation) => new PayReservation(row.CorrelationId, row.PaymentAttempt + 1),
        nameof(PointsDeducted) => new PointsDeducted(row.CorrelationId, row.PaymentAttempt, 5),
        nameof(PointDeductionRejected) => new PointDeductionRejected(row.CorrelationId, row.PaymentAttempt, "INSUFFICIENT_POINTS"),
        nameof(PaymentConfirmed) => new PaymentConfirmed(row.CorrelationId, 1, Guid.CreateVersion7(Machine.Start)),
        nameof(PaymentRejected) => new PaymentRejected(row.CorrelationId, 1, "PAYMENT_REJECTED"),
        nameof(SeatsConfirmed) => new SeatsConfirmed(row.CorrelationId, 1),
        nameof(SeatConfirmationRejected) => new SeatConfirmationRejected(row.CorrelationId, 1, "SEATS_NOT_HELD"),
        nameof(CancelReservation) => new CancelReservation(row.CorrelationId, row.Version),
        nameof(PaymentCancelled) => new PaymentCancelled(row.CorrelationId, 1),
        nameof(PointsRefunded) => new PointsRefunded(row.CorrelationId, row.PaymentAttempt),
        nameof(SeatsReleased) => new SeatsReleased(row.CorrelationId, 1),
        nameof(ReservationDeadlineReached) => new ReservationDeadlineReached(row.CorrelationId),
        nameof(RetryReservation) => new RetryReservation(row.CorrelationId, Guid.CreateVersion7(Machine.Start), "olga", "It hangs."),
        nameof(CancelReservationByOperator) =>
            new CancelReservationByOperator(row.CorrelationId, Guid.CreateVersion7(Machine.Start), "olga", "It hangs."),
        _ => throw new ArgumentException($"{name} is not a message of the saga.")
    };
}
