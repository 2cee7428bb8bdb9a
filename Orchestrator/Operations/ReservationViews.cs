using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Operators;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>A reservation as operators see it.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="State">The state of the saga.</param>
/// <param name="Status">The status as its customer sees it.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ConcertId">The concert; null until it is known.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="StartsAt">The start of the schedule when the seats were held.</param>
/// <param name="TotalPrice">In points; null until the seats are held.</param>
/// <param name="PaymentAttempt">The number of the latest payment attempt; 0 before the first.</param>
/// <param name="PaymentId">The payment, once it is confirmed.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
/// <param name="Outcome">The final state; set as soon as the compensation begins, and null before.</param>
/// <param name="Failure">Why the last step was refused, or why the reservation ended without seats.</param>
/// <param name="RemainingSteps">
/// The commands that lead to the outcome, in order. The first one awaits its reply, or the customer's payment.
/// </param>
/// <param name="StepAttempts">How often the command of the current step was sent.</param>
/// <param name="NextAttemptAt">
/// When the saga resends the command or gives the step up, unless a reply arrives; null if no step awaits a reply.
/// </param>
/// <param name="StuckSince">Since when a step that never gives up is unanswered after all its attempts.</param>
/// <param name="HoldExpiresAt">Until when the seats are held without payment.</param>
/// <param name="ConfirmedAt">The time of the confirmation.</param>
/// <param name="CreatedAt">When it was requested.</param>
/// <param name="UpdatedAt">When it last changed.</param>
/// <param name="Version">The number of its transitions.</param>
public sealed record ReservationView(
    Guid ReservationId, ReservationState State, ReservationStatus Status, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers,
    DateTimeOffset? StartsAt, long? TotalPrice, int PaymentAttempt, Guid? PaymentId, Guid? QueueTokenId, ReservationState? Outcome,
    ReservationFailure? Failure, IReadOnlyList<string> RemainingSteps, int StepAttempts, DateTimeOffset? NextAttemptAt,
    DateTimeOffset? StuckSince, DateTimeOffset? HoldExpiresAt, DateTimeOffset? ConfirmedAt, DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt, int Version)
{
    internal static readonly IReadOnlyList<(string Name, Func<ReservationView, object?> Value)> Columns =
    [
        ("reservationId", row => row.ReservationId), ("state", row => row.State), ("status", row => row.Status),
        ("userId", row => row.UserId), ("concertId", row => row.ConcertId), ("scheduleId", row => row.ScheduleId),
        ("seatNumbers", row => row.SeatNumbers), ("startsAt", row => row.StartsAt), ("totalPrice", row => row.TotalPrice),
        ("paymentAttempt", row => row.PaymentAttempt), ("paymentId", row => row.PaymentId), ("queueTokenId", row => row.QueueTokenId),
        ("outcome", row => row.Outcome), ("failureCode", row => row.Failure?.Code), ("failureDetail", row => row.Failure?.Detail),
        ("remainingSteps", row => row.RemainingSteps), ("stepAttempts", row => row.StepAttempts),
        ("nextAttemptAt", row => row.NextAttemptAt), ("stuckSince", row => row.StuckSince), ("holdExpiresAt", row => row.HoldExpiresAt),
        ("confirmedAt", row => row.ConfirmedAt), ("createdAt", row => row.CreatedAt), ("updatedAt", row => row.UpdatedAt),
        ("version", row => row.Version)
    ];

    internal static ReservationView Of(Reservation row) => new(
        row.CorrelationId, Enum.Parse<ReservationState>(row.CurrentState),
        Enum.Parse<ReservationStatus>(ReservationResponse.StatusOf(row.CurrentState)), row.UserId, row.ConcertId, row.ScheduleId,
        row.SeatNumbers, row.StartsAt, row.TotalPrice, row.PaymentAttempt, row.PaymentId, row.QueueTokenId,
        row.Outcome is null ? null : Enum.Parse<ReservationState>(row.Outcome),
        row.FailureCode is null ? null : new ReservationFailure(row.FailureCode, row.FailureDetail ?? ""),
        Operations.RemainingSteps.Of(row.CurrentState), row.StepAttempts,
        row.CurrentState == ReservationStates.AwaitingPayment ? null : row.Deadline, row.StuckSince, row.HoldExpiresAt, row.ConfirmedAt,
        row.CreatedAt, row.UpdatedAt, row.Version);
}

/// <summary>A reservation with its history.</summary>
/// <param name="Reservation">The reservation as in the list.</param>
/// <param name="Transitions">Its transitions, in order.</param>
/// <param name="Actions">The actions of operators on it, newest first, including refused ones.</param>
public sealed record ReservationDetails(
    ReservationView Reservation, IReadOnlyList<TransitionView> Transitions, IReadOnlyList<OperatorActionView> Actions);

/// <summary>A transition of a reservation, or a resent command; then both states are the same.</summary>
/// <param name="Sequence">Its position in the history, from 1.</param>
/// <param name="At">When it happened.</param>
/// <param name="DurationMilliseconds">The time until the next transition; null for the latest one.</param>
/// <param name="Trigger">The event that caused it.</param>
/// <param name="FromState">The state before it; null for the first one.</param>
/// <param name="ToState">The state after it.</param>
/// <param name="MessageId">The message that caused it.</param>
/// <param name="Detail">The failure code, or what happened.</param>
/// <param name="Operator">The operator who caused it, if any.</param>
/// <param name="Reason">The operator's reason.</param>
public sealed record TransitionView(
    int Sequence, DateTimeOffset At, long? DurationMilliseconds, string Trigger, string? FromState, string ToState, Guid? MessageId,
    string? Detail, string? Operator, string? Reason)
{
    internal static List<TransitionView> Of(IReadOnlyList<ReservationTransition> history, IReadOnlyList<OperatorAction> actions) =>
    [
        .. history.Select((row, index) =>
        {
            var action = actions.FirstOrDefault(action => action.ActionId == row.MessageId);
            return new TransitionView(row.Sequence, row.At,
                index + 1 < history.Count ? (long)(history[index + 1].At - row.At).TotalMilliseconds : null, row.Trigger, row.FromState,
                row.ToState, row.MessageId, row.Detail, action?.Operator, action?.Reason);
        })
    ];
}

/// <summary>The result of an operator's action on a reservation.</summary>
/// <param name="ActionId">The action, as in the history.</param>
/// <param name="Reservation">The reservation at the time of the answer.</param>
public sealed record ReservationActionResult(Guid ActionId, ReservationView Reservation);
