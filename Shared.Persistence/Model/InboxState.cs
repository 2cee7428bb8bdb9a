namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Records that a consumer has consumed a message. Committing this row is consuming the message.</summary>
public class InboxState
{
    /// <summary>The row's key.</summary>
    public long Id { get; set; }

    /// <summary>The id of the consumed message.</summary>
    public Guid MessageId { get; set; }

    /// <summary>Identifies the consumer and its endpoint.</summary>
    public Guid ConsumerId { get; set; }

    /// <summary>The lease of the process that delivers the messages. A version-7 id, which contains the time the lease began.</summary>
    public Guid LockId { get; set; }

    /// <summary>Kept for the documented schema.</summary>
    public byte[]? RowVersion { get; set; }

    /// <summary>When the message first arrived.</summary>
    public DateTime Received { get; set; }

    /// <summary>How often the broker delivered the message.</summary>
    public int ReceiveCount { get; set; }

    /// <summary>When the message expires, if it does.</summary>
    public DateTime? ExpirationTime { get; set; }

    /// <summary>When the consumer's work was committed.</summary>
    public DateTime? Consumed { get; set; }

    /// <summary>When the last message of the consumer reached the broker; null while messages remain.</summary>
    public DateTime? Delivered { get; set; }

    /// <summary>Kept for the documented schema.</summary>
    public long? LastSequenceNumber { get; set; }
}
