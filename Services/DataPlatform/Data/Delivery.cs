using System.Text.Json.Serialization;

namespace ConcertSaga.DataPlatform.Data;

[JsonConverter(typeof(JsonStringEnumConverter<DeliveryStatus>))]
public enum DeliveryStatus
{
    /// <summary>To be sent at <see cref="Delivery.NextAttemptAt"/>.</summary>
    Pending,

    /// <summary>The destination has it.</summary>
    Delivered,

    /// <summary>Given up; waits for an operator.</summary>
    Dead,

    /// <summary>An operator has decided that it is not to be sent.</summary>
    Discarded
}

/// <summary>One event the platform is to be told of, and how far that is.</summary>
public sealed class Delivery
{
    /// <summary>The <c>webhook-id</c>; follows from the reservation and the event.</summary>
    public required Guid DeliveryId { get; init; }

    public required Guid ReservationId { get; init; }

    public required string EventType { get; init; }

    /// <summary>Of one reservation the smaller is sent first, and the greater only when that is delivered or discarded.</summary>
    public required int Sequence { get; init; }

    /// <summary>The body of the request, to the letter.</summary>
    public required string Payload { get; init; }

    public DeliveryStatus Status { get; init; }

    /// <summary>How often it was sent in all.</summary>
    public int Attempts { get; init; }

    /// <summary>How many of them were before an operator let it begin anew; the schedule and the limits count from there.</summary>
    public int AttemptsBefore { get; init; }

    /// <summary>Since when it is being tried: from here its age counts.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>Not before this instant; of one that a replica has taken, the end of its lease.</summary>
    public DateTimeOffset NextAttemptAt { get; init; }

    /// <summary>The lease it is taken by; only one that is pending has any. A result counts only under the lease it was sent under.</summary>
    public Guid? LeaseId { get; init; }

    public DateTimeOffset? LeasedUntil { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was delivered, given up or discarded.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Why the last attempt failed.</summary>
    public string? LastError { get; init; }
}

/// <summary>One attempt to send a delivery; only the last few are kept.</summary>
public sealed class DeliveryAttempt
{
    public required Guid DeliveryId { get; init; }

    /// <summary>From 1, over the whole life of the delivery.</summary>
    public required int Number { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>Null where there was no answer.</summary>
    public int? StatusCode { get; init; }

    public required int DurationMilliseconds { get; init; }

    public string? Error { get; init; }
}

/// <summary>What an operator, or the relay itself, has done to a delivery or the destination.</summary>
public sealed class DeliveryAction
{
    public required Guid ActionId { get; init; }

    /// <summary>Null where it concerns the destination.</summary>
    public Guid? DeliveryId { get; init; }

    /// <summary><c>SendAgain</c>, <c>Discard</c>, <c>Pause</c> or <c>Resume</c>.</summary>
    public required string Kind { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>The user id; <c>relay</c> where the destination asked for it.</summary>
    public required string By { get; init; }

    public required string Reason { get; init; }
}

/// <summary>The outside platform, as far as all replicas have to know it alike.</summary>
public sealed class Destination
{
    /// <summary>The only one there is.</summary>
    public const string Platform = "data-platform";

    public required string Name { get; init; }

    /// <summary>Since when nothing is sent to it; null while it is.</summary>
    public DateTimeOffset? PausedAt { get; init; }

    public string? PausedBy { get; init; }

    public string? PauseReason { get; init; }

    /// <summary>Up to which change the orchestrator's outcomes were compared; null before the first time.</summary>
    public DateTimeOffset? ReconciledTo { get; init; }
}
