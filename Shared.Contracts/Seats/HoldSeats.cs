namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Gives the seats to the reservation, all or none. Orchestrator → Seats; answered by <see cref="SeatsHeld"/> or
/// <see cref="SeatHoldRejected"/>, undone by <see cref="ReleaseSeats"/>. Idempotent by reservation: a repeat gets the first answer again.
/// </summary>
/// <param name="ReservationId">The reservation that holds the seats.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
/// <param name="UserId">Whose seats they become; counted against the limit per user and concert.</param>
/// <param name="ConcertId">The concert the caller's queue pass is for; a schedule of another concert is refused. Null where no pass was asked for.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">Distinct seat numbers, ascending.</param>
public sealed record HoldSeats(Guid ReservationId, int Attempt, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers);

/// <summary>All seats are held. Reply to <see cref="HoldSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="ConcertId">The concert of the schedule.</param>
/// <param name="StartsAt">When the concert starts; decides until when a confirmed reservation can be cancelled.</param>
/// <param name="TotalPrice">The sum of the seats' prices, in points.</param>
public sealed record SeatsHeld(Guid ReservationId, int Attempt, int ConcertId, DateTimeOffset StartsAt, long TotalPrice);

/// <summary>No seat is held. Reply to <see cref="HoldSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Code">
/// <c>SEAT_UNAVAILABLE</c>, <c>SEAT_LIMIT_REACHED</c>, <c>SCHEDULE_CLOSED</c>, <c>SCHEDULE_NOT_FOUND</c>, <c>SEAT_NOT_FOUND</c>,
/// <c>QUEUE_TOKEN_WRONG_CONCERT</c> or <c>HOLD_RELEASED</c> (the undo came first).
/// </param>
/// <param name="SeatNumbers">With <c>SEAT_UNAVAILABLE</c> and <c>SEAT_NOT_FOUND</c> the seats concerned, else empty.</param>
public sealed record SeatHoldRejected(Guid ReservationId, int Attempt, string Code, int[] SeatNumbers);
