namespace ConcertSaga.Contracts.Points;

/// <summary>
/// Takes the price from the user's balance. Orchestrator → Points; answered by <see cref="PointsDeducted"/> or
/// <see cref="PointDeductionRejected"/>, undone by <see cref="RefundPoints"/>. Idempotent by reservation and attempt.
/// </summary>
/// <param name="ReservationId">What is paid for.</param>
/// <param name="Attempt">
/// The saga's payment attempt, from 1. A new attempt is made only after the one before was refused, so at most one attempt deducts.
/// </param>
/// <param name="UserId">Whose points.</param>
/// <param name="Amount">Points to take, greater than 0.</param>
public sealed record DeductPoints(Guid ReservationId, int Attempt, string UserId, long Amount);

/// <summary>The points are taken. Reply to <see cref="DeductPoints"/>, Points → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Balance">What is left, in points.</param>
public sealed record PointsDeducted(Guid ReservationId, int Attempt, long Balance);

/// <summary>No points are taken. Reply to <see cref="DeductPoints"/>, Points → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Code"><c>INSUFFICIENT_POINTS</c>, or <c>DEDUCTION_REFUNDED</c> (the undo came first).</param>
public sealed record PointDeductionRejected(Guid ReservationId, int Attempt, string Code);
