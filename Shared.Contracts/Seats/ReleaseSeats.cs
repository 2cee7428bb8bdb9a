namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Compensates <see cref="HoldSeats"/> and <see cref="ConfirmSeats"/>: the seats are free again. Orchestrator → Seats; always answered by
/// <see cref="SeatsReleased"/>. Idempotent by reservation. If nothing was held, Seats leaves a tombstone and refuses a late
/// <see cref="HoldSeats"/>.
/// </summary>
/// <param name="ReservationId">The reservation whose seats are released.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
public sealed record ReleaseSeats(Guid ReservationId, int Attempt);

/// <summary>The reservation holds no seats and never will again. Reply to <see cref="ReleaseSeats"/>, Seats → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
public sealed record SeatsReleased(Guid ReservationId, int Attempt);
