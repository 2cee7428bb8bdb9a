using MassTransit.Middleware;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>One row per message and consumer: it is consumed exactly when this row is committed.</summary>
public class InboxState
{
    /// <summary>The row's key.</summary>
    public long Id { get; set; }

    /// <summary>The consumed message.</summary>
    public Guid MessageId { get; set; }

    /// <summary>Which consumer of which endpoint consumed it.</summary>
    public Guid ConsumerId { get; set; }

    /// <summary>Who last took it to deliver what it left behind; a version-7 id, so that its age can be told.</summary>
    public Guid LockId { get; set; }

    /// <summary>Kept for the documented schema.</summary>
    public byte[]? RowVersion { get; set; }

    /// <summary>When it first arrived.</summary>
    public DateTime Received { get; set; }

    /// <summary>How often it arrived.</summary>
    public int ReceiveCount { get; set; }

    /// <summary>When the message expires, if it does.</summary>
    public DateTime? ExpirationTime { get; set; }

    /// <summary>When the consumer's work was committed.</summary>
    public DateTime? Consumed { get; set; }

    /// <summary>When everything the consumer sent had reached the broker; null while something is left to send.</summary>
    public DateTime? Delivered { get; set; }

    /// <summary>The last outbox message that was delivered.</summary>
    public long? LastSequenceNumber { get; set; }
}

/// <summary>One row per unit of work that sent messages outside a consumer; removed when they have reached the broker.</summary>
public class OutboxState
{
    /// <summary>The row's key.</summary>
    public Guid OutboxId { get; set; }

    /// <summary>Who took it to deliver it; a version-7 id, so that its age can be told.</summary>
    public Guid LockId { get; set; }

    /// <summary>Kept for the documented schema.</summary>
    public byte[]? RowVersion { get; set; }

    /// <summary>When the work was done.</summary>
    public DateTime Created { get; set; }

    /// <summary>When its messages had reached the broker.</summary>
    public DateTime? Delivered { get; set; }

    /// <summary>The last outbox message that was delivered.</summary>
    public long? LastSequenceNumber { get; set; }
}

/// <summary>A message that was decided together with the rows of a transaction and is to reach the broker after its commit.</summary>
public class OutboxMessage : OutboxMessageContext
{
    private Headers? _headers;
    private IReadOnlyDictionary<string, object>? _properties;
    private string[]? _types;

    /// <summary>The row's key, and the order of delivery.</summary>
    public long SequenceNumber { get; set; }

    /// <summary>Not to be delivered before this instant.</summary>
    public DateTime? EnqueueTime { get; set; }

    /// <summary>When it was sent by the code that decided it.</summary>
    public DateTime SentTime { get; set; }

    /// <summary>Headers, as JSON.</summary>
    public string? Headers { get; set; }

    /// <summary>What only the transport knows, such as a routing key, as JSON.</summary>
    public string? Properties { get; set; }

    /// <summary>The consumed message it belongs to, with <see cref="InboxConsumerId"/>.</summary>
    public Guid? InboxMessageId { get; set; }

    /// <summary>The consumer it belongs to.</summary>
    public Guid? InboxConsumerId { get; set; }

    /// <summary>The unit of work it belongs to, outside a consumer.</summary>
    public Guid? OutboxId { get; set; }

    /// <summary>The message's own id; the same at each delivery, so that a receiver can tell a repeat.</summary>
    public Guid MessageId { get; set; }

    /// <summary>The form of the body.</summary>
    public string ContentType { get; set; } = null!;

    /// <summary>The message's types, separated by semicolons.</summary>
    public string MessageType { get; set; } = null!;

    /// <summary>The body, as it goes out.</summary>
    public string Body { get; set; } = null!;

    /// <inheritdoc />
    public Guid? ConversationId { get; set; }

    /// <inheritdoc />
    public Guid? CorrelationId { get; set; }

    /// <inheritdoc />
    public Guid? InitiatorId { get; set; }

    /// <inheritdoc />
    public Guid? RequestId { get; set; }

    /// <inheritdoc />
    public Uri? SourceAddress { get; set; }

    /// <inheritdoc />
    public Uri? DestinationAddress { get; set; }

    /// <inheritdoc />
    public Uri? ResponseAddress { get; set; }

    /// <inheritdoc />
    public Uri? FaultAddress { get; set; }

    /// <inheritdoc />
    public DateTime? ExpirationTime { get; set; }

    /// <summary><see cref="MessageType"/>, one by one.</summary>
    internal string[] Types => _types ??= MessageType.Split(';');

    Guid? MessageContext.MessageId => MessageId;

    DateTime? MessageContext.SentTime => SentTime;

    Headers MessageContext.Headers => _headers ??= Read(Headers) is { Count: > 0 } headers ? new DictionarySendHeaders(headers!) : EmptyHeaders.Instance;

    HostInfo MessageContext.Host => Metadata.HostMetadataCache.Host;

    IReadOnlyDictionary<string, object> OutboxMessageContext.Properties => _properties ??= Read(Properties);

    // What is sent by the process that decided it need not be read back from what is stored.
    internal void Remember(string[] types, Dictionary<string, object> headers, Dictionary<string, object> properties) =>
        (_types, _headers, _properties) = (types, headers.Count == 0 ? EmptyHeaders.Instance : new DictionarySendHeaders(headers!), properties);

    private static Dictionary<string, object> Read(string? json) =>
        string.IsNullOrEmpty(json) ? [] : SystemTextJsonMessageSerializer.Instance.DeserializeDictionary<object>(json) ?? [];
}
