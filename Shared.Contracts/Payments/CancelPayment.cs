namespace ConcertSaga.Contracts.Payments;

/// <summary>
/// Compensates <see cref="ConfirmPayment"/>. Orchestrator → Payments; always answered by <see cref="PaymentCancelled"/>. Idempotent by
/// reservation. If nothing was confirmed, Payments leaves a tombstone and refuses a late <see cref="ConfirmPayment"/>.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">Always 1; repeated in the reply.</param>
public sealed record CancelPayment(Guid ReservationId, int Attempt);

/// <summary>
/// The reservation has no payment and never will. Reply to <see cref="CancelPayment"/>, Payments → Orchestrator.
/// </summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Attempt">As in the command.</param>
public sealed record PaymentCancelled(Guid ReservationId, int Attempt);
