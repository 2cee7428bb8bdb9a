using ConcertSaga.Shared.Hosting.Messaging;

namespace ConcertSaga.Operations.Data;

public enum FailedMessageStatus
{
    /// <summary>It waits for an operator.</summary>
    Waiting,

    /// <summary>An operation is sending it to its queue.</summary>
    Requeuing,

    /// <summary>The broker has confirmed it in its queue.</summary>
    Requeued,

    /// <summary>An operator has decided not to send it.</summary>
    Discarded
}

/// <summary>A message from a failure queue.</summary>
public sealed class FailedMessage
{
    /// <summary>Increases in the order of arrival, so it is also the position in the queue.</summary>
    public long FailedMessageId { get; init; }

    /// <summary>The queue in which it failed.</summary>
    public required string Queue { get; init; }

    public required FailureKind Kind { get; init; }

    /// <summary>Empty if the message has none.</summary>
    public required string MessageId { get; init; }

    /// <summary>The full type name; null if the body does not tell it.</summary>
    public string? MessageType { get; init; }

    public string? ExceptionType { get; init; }

    public string? ExceptionMessage { get; init; }

    /// <summary>A hash of headers and body. A redelivery has the same one, a further failure of the message another one.</summary>
    public required string Fingerprint { get; init; }

    public required DateTimeOffset ReceivedAt { get; init; }

    public FailedMessageStatus Status { get; init; }

    /// <summary>The operation that has changed the status.</summary>
    public Guid? OperationId { get; init; }

    /// <summary>When it was requeued or discarded.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>The length of the body in bytes.</summary>
    public required int Size { get; init; }

    public string? ContentType { get; init; }

    // The last columns, so that SQLite reads the others without them.

    /// <summary>The headers at the broker, as a JSON object.</summary>
    public required string Headers { get; init; }

    public required byte[] Body { get; init; }
}
