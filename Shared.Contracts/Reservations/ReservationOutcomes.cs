namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// A page of outcomes of paid reservations. Sent by the orchestrator in response to <c>GET /internal/outcomes</c>. Queue and DataPlatform
/// reconcile with it the events <see cref="ReservationConfirmed"/> and <see cref="ReservationCancelled"/> that they received.
/// </summary>
/// <param name="Items">Ascending by <see cref="ReservationOutcome.UpdatedAt"/>, then by reservation.</param>
/// <param name="Next">The cursor of the next page, for <c>after</c>; null on the last page.</param>
public sealed record ReservationOutcomes(ReservationOutcome[] Items, string? Next);

/// <summary>A reservation that is confirmed, or was before it was cancelled, with the data of its events.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="TotalPrice">Points paid, and refunded if it was cancelled; the <c>Amount</c> of its events.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
/// <param name="Status"><c>Confirmed</c> or <c>Cancelled</c>.</param>
/// <param name="ConfirmedAt">The time of the confirmation.</param>
/// <param name="CancelledAt">The time of the cancellation; null if there was none.</param>
/// <param name="UpdatedAt">
/// The time of its last change. A reservation that was listed as confirmed can later appear as cancelled.
/// </param>
/// <param name="Sequence">The number of its latest event: 1 confirmed, 2 cancelled. Every lower one was published, too.</param>
public sealed record ReservationOutcome(
    Guid ReservationId, string UserId, int ConcertId, int ScheduleId, int[] SeatNumbers, long TotalPrice, Guid? QueueTokenId, string Status,
    DateTimeOffset ConfirmedAt, DateTimeOffset? CancelledAt, DateTimeOffset UpdatedAt, int Sequence);
