namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Sells the held seats. Orchestrator → Seats; answered by <see cref="SeatsConfirmed"/> or
/// <see cref="SeatConfirmationRejected"/>, compensated by <see cref="ReleaseSeats"/>. Idempotent by reservation.
/// </summary>
/// <param name="ReservationId">The reservation that holds the seats.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
public sealed record ConfirmSeats(Guid ReservationId, int Attempt);

/// <summary>The seats are sold to the customer. Reply to <see cref="ConfirmSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
public sealed record SeatsConfirmed(Guid ReservationId, int Attempt);

/// <summary>The seats are not sold. Reply to <see cref="ConfirmSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Code"><c>SEATS_NOT_HELD</c>: the reservation holds no seats; <c>SCHEDULE_CANCELLED</c>.</param>
public sealed record SeatConfirmationRejected(Guid ReservationId, int Attempt, string Code);
