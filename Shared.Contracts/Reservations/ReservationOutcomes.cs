namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// A page of what became of paid reservations. Orchestrator → DataPlatform, in answer to <c>GET /internal/outcomes</c>; it is compared there
/// with what was told by <see cref="ReservationConfirmed"/> and <see cref="ReservationCancelled"/>.
/// </summary>
/// <param name="Items">Ascending by <see cref="ReservationOutcome.UpdatedAt"/>, then by reservation.</param>
/// <param name="Next">Pass it as <c>after</c> to get the page after this one; null on the last page.</param>
public sealed record ReservationOutcomes(ReservationOutcome[] Items, string? Next);

/// <summary>One reservation that is confirmed, or was before it was cancelled, with all that its events carry.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="TotalPrice">Points paid, and returned where it was cancelled; the <c>Amount</c> of its events.</param>
/// <param name="QueueTokenId">The queue token the reservation was made with, if any.</param>
/// <param name="Status"><c>Confirmed</c> or <c>Cancelled</c>.</param>
/// <param name="ConfirmedAt">When it was confirmed.</param>
/// <param name="CancelledAt">When it was cancelled; null where it was not.</param>
/// <param name="UpdatedAt">When it last changed; a reservation that is listed as confirmed can be listed again, later, as cancelled.</param>
/// <param name="Sequence">The number of its newest event: 1 confirmed, 2 cancelled; every smaller one was announced, too.</param>
public sealed record ReservationOutcome(
    Guid ReservationId, string UserId, int ConcertId, int ScheduleId, int[] SeatNumbers, long TotalPrice, Guid? QueueTokenId, string Status,
    DateTimeOffset ConfirmedAt, DateTimeOffset? CancelledAt, DateTimeOffset UpdatedAt, int Sequence);
