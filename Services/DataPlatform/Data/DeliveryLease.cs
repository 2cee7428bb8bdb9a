namespace ConcertSaga.DataPlatform.Data;

/// <summary>A delivery that a replica has leased.</summary>
internal sealed record DeliveryLease(
    Guid DeliveryId, Guid LeaseId, DateTimeOffset LeasedUntil, int Attempts, int AttemptsBefore, DateTimeOffset Since, string Payload,
    string? TraceParent = null);

/// <summary>The new state of a leased delivery.</summary>
/// <param name="Lease">The lease under which the delivery was handled.</param>
/// <param name="Status">The new status.</param>
/// <param name="NextAttemptAt">When a pending delivery is due again.</param>
/// <param name="AttemptsBefore">Number of attempts that do not count against the delivery.</param>
/// <param name="Since">The instant from which its age counts.</param>
/// <param name="Attempt">The attempt to record; null if the delivery is returned unsent.</param>
internal sealed record DeliveryOutcome(
    DeliveryLease Lease, DeliveryStatus Status, DateTimeOffset NextAttemptAt, int AttemptsBefore, DateTimeOffset Since,
    DeliveryAttempt? Attempt);
