namespace ConcertSaga.Contracts.Facts;

/// <summary>Reservations as the saga has them. Sent by the orchestrator in response to a <see cref="FactRequest"/>.</summary>
/// <param name="Items">The reservations that exist.</param>
/// <param name="KeptSince">Paid reservations of earlier outcomes may be deleted, and the rows of other owners soon after them.</param>
public sealed record SagaFacts(ReservationFact[] Items, DateTimeOffset KeptSince);

/// <summary>A reservation as the saga has it.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="State">The state of the saga.</param>
/// <param name="UserId">The customer.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="TotalPrice">In points; null until the seats are held.</param>
/// <param name="QueueTokenId">The pass of the request, if any.</param>
/// <param name="Deadline">When the reservation must move on; null if nothing is due.</param>
/// <param name="ConfirmedAt">The time of the confirmation, if there was one.</param>
/// <param name="UpdatedAt">The time of the last change.</param>
/// <param name="Version">Grows with each change.</param>
public sealed record ReservationFact(
    Guid ReservationId, string State, string UserId, int ScheduleId, int[] SeatNumbers, long? TotalPrice, Guid? QueueTokenId,
    DateTimeOffset? Deadline, DateTimeOffset? ConfirmedAt, DateTimeOffset UpdatedAt, int Version);

/// <summary>The hold of a reservation and its seats. Sent by Seats in response to a <see cref="FactRequest"/>.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Status"><c>Held</c>, <c>Refused</c>, <c>Confirmed</c> or <c>Released</c>.</param>
/// <param name="ScheduleId">The schedule; null if a release came before the hold.</param>
/// <param name="SeatNumbers">The requested seats, ascending.</param>
/// <param name="TotalPrice">In points.</param>
/// <param name="Code">Why the hold or its confirmation was refused.</param>
/// <param name="UpdatedAt">The time of the last change.</param>
/// <param name="Seats">The rows of the requested seats, whichever reservation they belong to.</param>
public sealed record SeatFact(
    Guid ReservationId, string Status, int? ScheduleId, int[] SeatNumbers, long TotalPrice, string? Code, DateTimeOffset UpdatedAt,
    SeatRowFact[] Seats);

/// <summary>The row of one seat.</summary>
/// <param name="Number">The number in the schedule.</param>
/// <param name="Status"><c>Available</c>, <c>Held</c> or <c>Sold</c>.</param>
/// <param name="ReservationId">The reservation that holds or bought it.</param>
public sealed record SeatRowFact(int Number, string Status, Guid? ReservationId);

/// <summary>What happened to points for a reservation. Sent by Points in response to a <see cref="FactRequest"/>.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Deductions">The decision on each attempt.</param>
/// <param name="Refunded">The decision to refund, in points; 0 if nothing had been deducted, null without a decision.</param>
/// <param name="Entries">The entries of the ledger, ascending.</param>
public sealed record PointFact(Guid ReservationId, DeductionFact[] Deductions, long? Refunded, LedgerFact[] Entries);

/// <summary>The decision on one attempt to deduct the price.</summary>
/// <param name="Attempt">The attempt.</param>
/// <param name="Status"><c>Deducted</c> or <c>Refused</c>.</param>
/// <param name="Amount">In points.</param>
/// <param name="Code">Why it was refused.</param>
/// <param name="At">When it was decided.</param>
public sealed record DeductionFact(int Attempt, string Status, long Amount, string? Code, DateTimeOffset At);

/// <summary>One entry of the ledger.</summary>
/// <param name="EntryId">The entry.</param>
/// <param name="Sequence">The number among the customer's entries.</param>
/// <param name="Kind"><c>Deduction</c> or <c>Refund</c>.</param>
/// <param name="Amount">In points; negative for a deduction.</param>
/// <param name="BalanceAfter">The balance after it.</param>
/// <param name="At">When it was written.</param>
public sealed record LedgerFact(Guid EntryId, long Sequence, string Kind, long Amount, long BalanceAfter, DateTimeOffset At);

/// <summary>An account and the sum of its ledger. Sent by Points in response to an <see cref="AccountFactRequest"/>.</summary>
/// <param name="UserId">The customer.</param>
/// <param name="Balance">The balance.</param>
/// <param name="EntryCount">The number of entries that the account counts.</param>
/// <param name="LedgerSum">The sum of the entries.</param>
/// <param name="LedgerCount">The number of entries.</param>
public sealed record AccountFact(string UserId, long Balance, long EntryCount, long LedgerSum, long LedgerCount);

/// <summary>The payment of a reservation. Sent by Payments in response to a <see cref="FactRequest"/>.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="PaymentId">The payment.</param>
/// <param name="Status"><c>Confirmed</c>, <c>Refused</c> or <c>Cancelled</c>.</param>
/// <param name="Amount">In points; 0 if a cancellation came before the payment.</param>
/// <param name="UpdatedAt">The time of the last change.</param>
public sealed record PaymentFact(Guid ReservationId, Guid PaymentId, string Status, long Amount, DateTimeOffset UpdatedAt);

/// <summary>The queue entry of a pass. Sent by Queue in response to a <see cref="FactRequest"/> with the ids of passes.</summary>
/// <param name="TokenId">The pass.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="UserId">The customer.</param>
/// <param name="Number">The queue number.</param>
/// <param name="Status"><c>Waiting</c>, <c>Offered</c>, <c>Active</c>, <c>Expired</c>, <c>Completed</c> or <c>Left</c>.</param>
/// <param name="BookUntil">Until when the pass opens every route.</param>
/// <param name="CompletedAt">When the customer bought.</param>
public sealed record QueueEntryFact(
    Guid TokenId, int ConcertId, string UserId, long Number, string Status, DateTimeOffset? BookUntil, DateTimeOffset? CompletedAt);

/// <summary>The deliveries of reservations. Sent by DataPlatform in response to a <see cref="FactRequest"/>.</summary>
/// <param name="Items">The deliveries, by reservation and position.</param>
/// <param name="KeptSince">Completed deliveries of earlier events may be deleted.</param>
public sealed record DeliveryFacts(DeliveryFact[] Items, DateTimeOffset KeptSince);

/// <summary>One delivery.</summary>
/// <param name="DeliveryId">The delivery.</param>
/// <param name="ReservationId">The reservation.</param>
/// <param name="EventType">The event type.</param>
/// <param name="Sequence">The position in the reservation's events.</param>
/// <param name="Status"><c>Pending</c>, <c>Delivered</c>, <c>Dead</c> or <c>Discarded</c>.</param>
/// <param name="Attempts">The number of attempts.</param>
/// <param name="CreatedAt">When the relay created it.</param>
/// <param name="CompletedAt">When it was delivered, given up or discarded.</param>
/// <param name="LastError">Why the last attempt failed.</param>
public sealed record DeliveryFact(
    Guid DeliveryId, Guid ReservationId, string EventType, int Sequence, string Status, int Attempts, DateTimeOffset CreatedAt,
    DateTimeOffset? CompletedAt, string? LastError);
