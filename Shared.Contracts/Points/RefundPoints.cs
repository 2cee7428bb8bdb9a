namespace ConcertSaga.Contracts.Points;

/// <summary>
/// Undoes <see cref="DeductPoints"/> for all its attempts. Orchestrator → Points; always answered by <see cref="PointsRefunded"/>.
/// Idempotent by reservation; where nothing was deducted it leaves a tombstone, and a late <see cref="DeductPoints"/> is refused.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">The saga's newest payment attempt; repeated in the reply.</param>
/// <param name="UserId">Whose points.</param>
public sealed record RefundPoints(Guid ReservationId, int Attempt, string UserId);

/// <summary>The user has the points, if any were taken. Reply to <see cref="RefundPoints"/>, Points → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
public sealed record PointsRefunded(Guid ReservationId, int Attempt);
