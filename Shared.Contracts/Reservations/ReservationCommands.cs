namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// Starts the saga of a reservation. Sent by the orchestrator's endpoint in the transaction that writes the row, handled by its saga,
/// answered by the row. Idempotent: only a reservation in <c>Requested</c> starts.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
public sealed record RequestReservation(Guid ReservationId);

/// <summary>
/// Pays a held reservation. Sent by the orchestrator's endpoint, handled by its saga, answered by the row. Idempotent by attempt: the saga
/// accepts only the attempt that follows the last one, so an old copy cannot pay again.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ExpectedAttempt">The payment attempt in the row at the time of the request, plus 1.</param>
public sealed record PayReservation(Guid ReservationId, int ExpectedAttempt);

/// <summary>
/// Cancels a held or confirmed reservation. Sent by the orchestrator's endpoint, handled by its saga, answered by the row.
/// Idempotent by version: it applies only to the version that the customer saw. A request that a payment overtook was refused, and cannot
/// cancel later.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ExpectedVersion">The version of the row at the time of the request.</param>
/// <param name="StartsAt">The current start of the schedule according to Seats; null if Seats was not asked or did not answer.</param>
/// <param name="RequestedAt">
/// When the endpoint found that the deadline of cancellations had not passed; null in messages of older versions. A message that waited is
/// not late.
/// </param>
public sealed record CancelReservation(
    Guid ReservationId, int ExpectedVersion, DateTimeOffset? StartsAt = null, DateTimeOffset? RequestedAt = null);

/// <summary>
/// A deadline of the reservation may have passed. Sent by the orchestrator's sweeper, handled by its saga. Idempotent: the saga acts only
/// if the deadline in the row has passed.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
public sealed record ReservationDeadlineReached(Guid ReservationId);

/// <summary>
/// Resends the command of the current step at once. Sent by the orchestrator's operator endpoint, handled by its saga, answered by the row
/// of the action. Idempotent by action: a copy changes nothing. The message id is the action's id.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ActionId">The operator's action.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">Why, in the operator's words.</param>
public sealed record RetryReservation(Guid ReservationId, Guid ActionId, string Operator, string Reason);

/// <summary>
/// Cancels a reservation in any state that can be compensated, also after the cut-off. Sent by the orchestrator's operator endpoint,
/// handled by its saga, answered by the row of the action. Idempotent by action: a copy changes nothing. The message id is the action's id.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ActionId">The operator's action.</param>
/// <param name="Operator">The user id of the operator.</param>
/// <param name="Reason">Why, in the operator's words.</param>
/// <param name="Code">
/// What the customer sees as the cause: <c>SCHEDULE_CANCELLED</c>, or <c>CANCELLED_BY_OPERATOR</c> if it is null.
/// </param>
public sealed record CancelReservationByOperator(Guid ReservationId, Guid ActionId, string Operator, string Reason, string? Code = null);
