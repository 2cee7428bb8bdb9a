namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A unit of work outside a consumer that sent messages. The row is deleted when the last one has reached the broker.</summary>
public class OutboxState
{
    /// <summary>The row's key.</summary>
    public Guid OutboxId { get; set; }

    /// <summary>The lease of the process that delivers the messages. A version-7 id, which contains the time the lease began.</summary>
    public Guid LockId { get; set; }

    /// <summary>Kept for the documented schema.</summary>
    public byte[]? RowVersion { get; set; }

    /// <summary>When the unit of work sent its first message.</summary>
    public DateTime Created { get; set; }

    /// <summary>When the last message reached the broker, if delivered rows are kept.</summary>
    public DateTime? Delivered { get; set; }

    /// <summary>Kept for the documented schema.</summary>
    public long? LastSequenceNumber { get; set; }
}
