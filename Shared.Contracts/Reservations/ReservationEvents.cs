namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// The reservation is paid and the seats are sold. Published by the orchestrator, at least once, for Queue (ends the queue token) and
/// DataPlatform (relays it). Handlers are idempotent by reservation and <paramref name="Sequence"/>.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="Amount">Points paid.</param>
/// <param name="QueueTokenId">The queue token the reservation was made with, if any.</param>
/// <param name="ConfirmedAt">When it was confirmed.</param>
/// <param name="Sequence">1.</param>
public sealed record ReservationConfirmed(
    Guid ReservationId, string UserId, int ConcertId, int ScheduleId, int[] SeatNumbers, long Amount, Guid? QueueTokenId,
    DateTimeOffset ConfirmedAt, int Sequence);

/// <summary>
/// The reservation was given back by its user and everything is undone. Published by the orchestrator, at least once.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">Whose it was.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="Amount">Points returned; 0 where it had not been paid.</param>
/// <param name="QueueTokenId">The queue token the reservation was made with, if any.</param>
/// <param name="ConfirmedAt">When it had been confirmed; null where it never was.</param>
/// <param name="Sequence">2 where it had been confirmed, else 1.</param>
public sealed record ReservationCancelled(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, long Amount, Guid? QueueTokenId,
    DateTimeOffset? ConfirmedAt, int Sequence);

/// <summary>The seats could not be held; nothing had been done. Published by the orchestrator, at least once.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">Whose it was.</param>
/// <param name="ConcertId">The concert; null where the refusal came before it was known.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">The seats asked for, ascending.</param>
/// <param name="QueueTokenId">The queue token the reservation was made with, if any.</param>
/// <param name="Code">Why, as in the HTTP problem.</param>
public sealed record ReservationRejected(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, Guid? QueueTokenId, string Code);

/// <summary>The hold ran out unpaid and the seats are free again. Published by the orchestrator, at least once.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">Whose it was.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="QueueTokenId">The queue token the reservation was made with, if any.</param>
public sealed record ReservationExpired(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, Guid? QueueTokenId);

/// <summary>A step was refused or never answered, and every step that may have happened is undone. Published by the orchestrator, at least once.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">Whose it was.</param>
/// <param name="ConcertId">The concert; null where it was not known yet.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="QueueTokenId">The queue token the reservation was made with, if any.</param>
/// <param name="Code">The step's refusal, or <c>STEP_TIMED_OUT</c>.</param>
public sealed record ReservationFailed(
    Guid ReservationId, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers, Guid? QueueTokenId, string Code);

/// <summary>
/// The row of a reservation changed in a way a waiting caller wants to know. Published by the orchestrator to its own replicas, best effort:
/// losing it costs a waiting caller only time.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
public sealed record ReservationChanged(Guid ReservationId);
