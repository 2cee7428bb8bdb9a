namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// The reservation is paid and the seats are sold. Published by the orchestrator, at least once, for Queue (ends the pass) and DataPlatform
/// (delivers it). Handlers are idempotent by reservation and <paramref name="Sequence"/>.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="Amount">The price in points.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
/// <param name="ConfirmedAt">The time of the confirmation.</param>
/// <param name="Sequence">Always 1; a later cancellation has 2.</param>
public sealed record ReservationConfirmed(
    Guid ReservationId, string UserId, int ConcertId, int ScheduleId, int[] SeatNumbers, long Amount, Guid? QueueTokenId,
    DateTimeOffset ConfirmedAt, int Sequence);

/// <summary>
/// The customer or an operator cancelled the reservation, and it is compensated. Published by the orchestrator, at least once.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="Amount">Points refunded; 0 if the reservation was not paid.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
/// <param name="ConfirmedAt">The time of the confirmation; null if there was none.</param>
/// <param name="Sequence">2 after a confirmation, otherwise 1.</param>
public sealed record ReservationCancelled(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, long Amount, Guid? QueueTokenId,
    DateTimeOffset? ConfirmedAt, int Sequence);

/// <summary>Seats refused the hold, so there was nothing to compensate. Published by the orchestrator, at least once.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ConcertId">The concert of the pass; null if there was no pass.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The requested seats, ascending.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
/// <param name="Code">The refusal code, as in the HTTP problem.</param>
public sealed record ReservationRejected(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, Guid? QueueTokenId, string Code);

/// <summary>The hold expired without payment, and the seats are free again. Published by the orchestrator, at least once.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
public sealed record ReservationExpired(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, Guid? QueueTokenId);

/// <summary>
/// A step was refused or timed out, and the saga has compensated every step that may have happened. Published by the orchestrator, at
/// least once.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ConcertId">The concert; null if it was not known yet.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
/// <param name="Code">The refusal code of the step, or <c>STEP_TIMED_OUT</c>.</param>
public sealed record ReservationFailed(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, Guid? QueueTokenId, string Code);

/// <summary>
/// Reservations were deleted after their retention, so no command about them follows. Published by the orchestrator, at least once, for
/// Seats, Points and Payments, which delete what they have about them, except the ledger. Idempotent.
/// </summary>
/// <param name="ReservationIds">The reservations; at most 1,000.</param>
public sealed record ReservationsDeleted(Guid[] ReservationIds);

/// <summary>
/// The rows of reservations changed to a state that may answer a waiting call. Published by the orchestrator to its own replicas, once for
/// each commit, best effort; its loss costs the callers only time.
/// </summary>
/// <param name="ReservationIds">The reservations.</param>
public sealed record ReservationsChanged(Guid[] ReservationIds);
