namespace ConcertSaga.Contracts.Payments;

/// <summary>
/// Undoes <see cref="ConfirmPayment"/>. Orchestrator → Payments; always answered by <see cref="PaymentCancelled"/>. Idempotent by
/// reservation; where nothing was confirmed it leaves a tombstone, and a late <see cref="ConfirmPayment"/> is refused.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
public sealed record CancelPayment(Guid ReservationId, int Attempt);

/// <summary>There is no payment for the reservation and never will be. Reply to <see cref="CancelPayment"/>, Payments → Orchestrator.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
public sealed record PaymentCancelled(Guid ReservationId, int Attempt);
