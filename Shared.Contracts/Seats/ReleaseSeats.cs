namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Undoes <see cref="HoldSeats"/> and <see cref="ConfirmSeats"/>: the seats are free again. Orchestrator → Seats; always answered by
/// <see cref="SeatsReleased"/>. Idempotent by reservation; where nothing was held it leaves a tombstone, and a late
/// <see cref="HoldSeats"/> is refused.
/// </summary>
/// <param name="ReservationId">The reservation whose seats are released.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
public sealed record ReleaseSeats(Guid ReservationId, int Attempt);

/// <summary>The reservation holds no seats and never will. Reply to <see cref="ReleaseSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
public sealed record SeatsReleased(Guid ReservationId, int Attempt);
