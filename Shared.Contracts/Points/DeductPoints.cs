namespace ConcertSaga.Contracts.Points;

/// <summary>
/// Deducts the price from the customer's balance. Orchestrator → Points; answered by <see cref="PointsDeducted"/> or
/// <see cref="PointDeductionRejected"/>, compensated by <see cref="RefundPoints"/>. Idempotent by reservation and attempt.
/// </summary>
/// <param name="ReservationId">The reservation that is paid.</param>
/// <param name="Attempt">
/// The saga's payment attempt, from 1. The saga starts an attempt only after a refusal of the one before, so at most one deducts.
/// </param>
/// <param name="UserId">The customer who pays.</param>
/// <param name="Amount">The price in points, greater than 0.</param>
public sealed record DeductPoints(Guid ReservationId, int Attempt, string UserId, long Amount);

/// <summary>The points are deducted. Reply to <see cref="DeductPoints"/>, Points → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Balance">The balance after the deduction, in points.</param>
public sealed record PointsDeducted(Guid ReservationId, int Attempt, long Balance);

/// <summary>No points are deducted. Reply to <see cref="DeductPoints"/>, Points → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Code"><c>INSUFFICIENT_POINTS</c>, or <c>DEDUCTION_REFUNDED</c> if the compensation came first.</param>
public sealed record PointDeductionRejected(Guid ReservationId, int Attempt, string Code);
