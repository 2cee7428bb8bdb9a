namespace ConcertSaga.Contracts.Points;

/// <summary>
/// Compensates every attempt of <see cref="DeductPoints"/>. Orchestrator → Points; always answered by <see cref="PointsRefunded"/>.
/// Idempotent by reservation. If nothing was deducted, Points leaves a tombstone and refuses a late <see cref="DeductPoints"/>.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">The saga's latest payment attempt; repeated in the reply.</param>
/// <param name="UserId">The customer who gets the points back.</param>
public sealed record RefundPoints(Guid ReservationId, int Attempt, string UserId);

/// <summary>All points that were deducted are back on the balance. Reply to <see cref="RefundPoints"/>, Points → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
public sealed record PointsRefunded(Guid ReservationId, int Attempt);
