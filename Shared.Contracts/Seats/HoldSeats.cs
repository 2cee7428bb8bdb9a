namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Holds the seats for the reservation, all or none. Orchestrator → Seats; answered by <see cref="SeatsHeld"/> or
/// <see cref="SeatHoldRejected"/>, compensated by <see cref="ReleaseSeats"/>. Idempotent by reservation: a repeat gets the first reply.
/// </summary>
/// <param name="ReservationId">The reservation that holds the seats.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
/// <param name="UserId">The customer, whose seats count against the limit per concert.</param>
/// <param name="ConcertId">
/// The concert of the customer's pass; Seats refuses a schedule of another concert. Null if no pass was required.
/// </param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">Distinct seat numbers, ascending.</param>
public sealed record HoldSeats(Guid ReservationId, int Attempt, string UserId, int? ConcertId, int ScheduleId, int[] SeatNumbers);

/// <summary>All seats are held. Reply to <see cref="HoldSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="ConcertId">The concert of the schedule.</param>
/// <param name="StartsAt">The start of the schedule; decides until when a confirmed reservation can be cancelled.</param>
/// <param name="TotalPrice">The sum of the seats' prices, in points.</param>
public sealed record SeatsHeld(Guid ReservationId, int Attempt, int ConcertId, DateTimeOffset StartsAt, long TotalPrice);

/// <summary>No seat is held. Reply to <see cref="HoldSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Code">
/// <c>SEAT_UNAVAILABLE</c>, <c>SEAT_LIMIT_REACHED</c>, <c>SCHEDULE_CLOSED</c>, <c>SCHEDULE_CANCELLED</c>, <c>SCHEDULE_NOT_FOUND</c>,
/// <c>SEAT_NOT_FOUND</c>, <c>QUEUE_TOKEN_WRONG_CONCERT</c>, or <c>HOLD_RELEASED</c> if the compensation came first.
/// </param>
/// <param name="SeatNumbers">The seats concerned with <c>SEAT_UNAVAILABLE</c> and <c>SEAT_NOT_FOUND</c>, otherwise empty.</param>
public sealed record SeatHoldRejected(Guid ReservationId, int Attempt, string Code, int[] SeatNumbers);
