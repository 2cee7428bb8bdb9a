namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// Starts the saga of a reservation whose row is already written. Sent by the orchestrator's own endpoint in the transaction of the row,
/// handled by its saga, answered by the row. Idempotent: only a reservation in <c>Requested</c> starts.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
public sealed record RequestReservation(Guid ReservationId);

/// <summary>
/// Pays a held reservation. Sent by the orchestrator's own endpoint, handled by its saga, answered by the row. Idempotent by attempt: only
/// the attempt that follows the last one is accepted, so an old copy cannot pay again.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ExpectedAttempt">The row's payment attempt + 1 at the moment of the request.</param>
public sealed record PayReservation(Guid ReservationId, int ExpectedAttempt);

/// <summary>
/// Gives a held or confirmed reservation back. Sent by the orchestrator's own endpoint, handled by its saga, answered by the row.
/// Idempotent by version: it counts only for the reservation as the person saw it, so one that was overtaken by a payment, and was
/// answered with a refusal, cannot cancel later.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ExpectedVersion">The row's version at the moment of the request.</param>
public sealed record CancelReservation(Guid ReservationId, int ExpectedVersion);

/// <summary>
/// A deadline of the reservation may have passed. Sent by the orchestrator's sweeper, handled by its saga, which acts only when the row's
/// deadline is really over; so it may come late and often.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
public sealed record ReservationDeadlineReached(Guid ReservationId);
