using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Turns the row of a reservation into the problem that refuses a call.</summary>
internal static class ReservationRefusals
{
    /// <summary>The refusal that the failure code of a row stands for.</summary>
    public static ProblemHttpResult Of(Reservation row) => row.FailureCode switch
    {
        RefusalCodes.SeatUnavailable => Problem(row, Refusals.SeatUnavailable, ("seats", SeatsOf(row))),
        RefusalCodes.SeatLimitReached => Problem(row, Refusals.SeatLimitReached),
        RefusalCodes.ScheduleClosed => Problem(row, Refusals.ScheduleClosed),
        RefusalCodes.ScheduleCancelled => Problem(row, Refusals.ScheduleCancelled),
        RefusalCodes.ScheduleNotFound => Problem(row, Refusals.ScheduleNotFound),
        RefusalCodes.QueueTokenWrongConcert => WrongConcert(row),
        RefusalCodes.SeatNotFound => Problem(row, Refusals.SeatNotFound, ("seats", SeatsOf(row))),
        RefusalCodes.ReservationInProgress => Refusals.ReservationInProgress.Answer(("reservationId", BlockerOf(row))),
        RefusalCodes.InsufficientPoints => Problem(row, Refusals.InsufficientPoints),
        RefusalCodes.HoldExpired => Problem(row, Refusals.HoldExpired),
        RefusalCodes.PaymentRejected => Problem(row, Refusals.PaymentRejected),
        _ => Problem(row, Refusals.ReservationFailed)
    };

    /// <summary>The pass is for another concert than the reservation.</summary>
    public static ProblemHttpResult WrongConcert(Reservation row) => Problem(row, Refusals.QueueTokenWrongConcert);

    /// <summary>The state of the reservation takes no payment.</summary>
    public static ProblemHttpResult NotPayable(Reservation row) => row.FailureCode == RefusalCodes.ScheduleCancelled
        ? Of(row)
        : Problem(row, 409, RefusalCodes.ReservationNotPayable,
            $"The reservation is {ReservationResponse.StatusOf(row.CurrentState)} and cannot be paid.");

    /// <summary>The reservation is over, being paid, or too close to its start.</summary>
    public static ProblemHttpResult NotCancellable(Reservation row) =>
        Problem(row, 409, RefusalCodes.ReservationNotCancellable, row.CurrentState == ReservationStates.Confirmed
            ? "It is too close to the start to cancel."
            : $"The reservation is {ReservationResponse.StatusOf(row.CurrentState)} and cannot be cancelled.");

    /// <summary>The reservation changed before the cancellation took effect.</summary>
    public static ProblemHttpResult Overtaken(Reservation row) =>
        Problem(row, 409, RefusalCodes.ReservationNotCancellable,
            $"The reservation became {ReservationResponse.StatusOf(row.CurrentState)} in the meantime. "
                + "Cancel it again if you still want to.");

    /// <summary>Only a confirmed reservation has a ticket.</summary>
    public static ProblemHttpResult WithoutTicket(Reservation row) =>
        Problem(row, 409, RefusalCodes.Conflict,
            $"The reservation is {ReservationResponse.StatusOf(row.CurrentState)}; only a confirmed one has a ticket.");

    /// <summary>The booking gate is closed.</summary>
    public static ProblemHttpResult BookingClosed() =>
        Problems.Refuse(503, RefusalCodes.Unavailable, "Bookings cannot be taken right now. Try again in a moment.");

    private static ProblemHttpResult Problem(Reservation row, Refusal refusal, params ReadOnlySpan<(string, object?)> more) =>
        Problem(row, refusal.Status, refusal.Code, refusal.Detail, more);

    private static ProblemHttpResult Problem(Reservation row, int status, string code, string detail,
        params ReadOnlySpan<(string, object?)> more) =>
        Problems.Refuse(status, code, detail,
        [
            ("reservationId", row.CorrelationId), ("reservationStatus", ReservationResponse.StatusOf(row.CurrentState)),
            ("holdExpiresAt", row.CurrentState is ReservationStates.AwaitingPayment ? row.HoldExpiresAt : null), .. more
        ]);

    // The previous version wrote seats and blocking reservation only into the text.
    private static int[] SeatsOf(Reservation row) => row.RefusedSeats ?? SeatsIn(row.FailureDetail);

    private static Guid? BlockerOf(Reservation row) =>
        row.BlockedBy ?? (ValueReader.TryRead(row.FailureDetail, out Guid blocker) ? blocker : null);

    // Such as "Seats 7,8."
    private static int[] SeatsIn(string? detail) =>
        detail is null ? []
            : [.. detail.Replace("Seats ", "").TrimEnd('.').Split(',')
                .Select(number => ValueReader.TryRead(number.Trim(), out long seat) ? (int)seat : 0).Where(seat => seat > 0)];
}
