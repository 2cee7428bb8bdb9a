using System.Text.Json.Serialization;

namespace ConcertSaga.DataPlatform.Data;

[JsonConverter(typeof(JsonStringEnumConverter<DeliveryStatus>))]
public enum DeliveryStatus
{
    /// <summary>The relay sends it at <see cref="Delivery.NextAttemptAt"/>.</summary>
    Pending,

    /// <summary>The destination accepted it.</summary>
    Delivered,

    /// <summary>The relay has given it up; it waits for an operator.</summary>
    Dead,

    /// <summary>An operator has decided not to send it.</summary>
    Discarded
}

/// <summary>One event to deliver to the platform, with its progress.</summary>
public sealed class Delivery
{
    /// <summary>The <c>webhook-id</c>, derived from the reservation and the event type.</summary>
    public required Guid DeliveryId { get; init; }

    public required Guid ReservationId { get; init; }

    public required string EventType { get; init; }

    /// <summary>The position in the reservation's events. A later one waits until the earlier ones are delivered or discarded.</summary>
    public required int Sequence { get; init; }

    /// <summary>The exact request body.</summary>
    public required string Payload { get; init; }

    /// <summary>The trace of the event, as a W3C <c>traceparent</c>; null if the trace is not recorded.</summary>
    public string? TraceParent { get; init; }

    public DeliveryStatus Status { get; init; }

    /// <summary>The number of attempts in all.</summary>
    public int Attempts { get; init; }

    /// <summary>The number of attempts that the retry schedule and the limits do not count.</summary>
    public int AttemptsBefore { get; init; }

    /// <summary>The instant from which its age counts.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>When it is due; for a leased delivery, the end of the lease.</summary>
    public DateTimeOffset NextAttemptAt { get; init; }

    /// <summary>
    /// The current lease; only pending deliveries have one. An outcome is accepted only under the lease of its attempt.
    /// </summary>
    public Guid? LeaseId { get; init; }

    public DateTimeOffset? LeasedUntil { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was delivered, given up or discarded.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Why the last attempt failed.</summary>
    public string? LastError { get; init; }
}

/// <summary>One attempt to send a delivery; only the most recent ones are kept.</summary>
public sealed class DeliveryAttempt
{
    public required Guid DeliveryId { get; init; }

    /// <summary>Counts from 1 over the whole life of the delivery.</summary>
    public required int Number { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>Null if there was no answer.</summary>
    public int? StatusCode { get; init; }

    public required int DurationMilliseconds { get; init; }

    public string? Error { get; init; }
}

/// <summary>The state of the platform that all replicas share.</summary>
public sealed class Destination
{
    /// <summary>The name of the only destination.</summary>
    public const string Platform = "data-platform";

    public required string Name { get; init; }

    /// <summary>When sending was paused; null while it is not.</summary>
    public DateTimeOffset? PausedAt { get; init; }

    public string? PausedBy { get; init; }

    public string? PauseReason { get; init; }

    /// <summary>The newest change that reconciliation has seen; null before the first round.</summary>
    public DateTimeOffset? ReconciledTo { get; init; }
}
