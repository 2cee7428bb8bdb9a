namespace ConcertSaga.Contracts.Payments;

/// <summary>
/// Records the payment. Orchestrator → Payments; answered by <see cref="PaymentConfirmed"/> or <see cref="PaymentRejected"/>, compensated
/// by <see cref="CancelPayment"/>. Idempotent by reservation.
/// </summary>
/// <param name="ReservationId">The reservation that is paid.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
/// <param name="UserId">The customer who pays.</param>
/// <param name="Amount">The price in points, greater than 0.</param>
public sealed record ConfirmPayment(Guid ReservationId, int Attempt, string UserId, long Amount);

/// <summary>The payment is recorded. Reply to <see cref="ConfirmPayment"/>, Payments → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="PaymentId">The payment.</param>
public sealed record PaymentConfirmed(Guid ReservationId, int Attempt, Guid PaymentId);

/// <summary>The payment is refused permanently. Reply to <see cref="ConfirmPayment"/>, Payments → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
/// <param name="Code"><c>PAYMENT_REJECTED</c>, or <c>PAYMENT_CANCELLED</c> if the compensation came first.</param>
public sealed record PaymentRejected(Guid ReservationId, int Attempt, string Code);
