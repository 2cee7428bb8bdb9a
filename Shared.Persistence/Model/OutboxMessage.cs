using MassTransit.Middleware;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A message that is stored in the sender's transaction and goes to the broker after the commit.</summary>
public class OutboxMessage : OutboxMessageContext
{
    private Headers? _headers;
    private IReadOnlyDictionary<string, object>? _properties;
    private string[]? _types;

    /// <summary>The row's key, and the order of delivery among messages with the same correlation id, or without one.</summary>
    public long SequenceNumber { get; set; }

    /// <summary>When a delayed message becomes due.</summary>
    public DateTime? EnqueueTime { get; set; }

    /// <summary>When the handler or caller sent the message.</summary>
    public DateTime SentTime { get; set; }

    /// <summary>The headers, as JSON.</summary>
    public string? Headers { get; set; }

    /// <summary>Properties of the transport, such as a routing key, as JSON.</summary>
    public string? Properties { get; set; }

    /// <summary>The consumed message whose handler sent this one; null outside a consumer.</summary>
    public Guid? InboxMessageId { get; set; }

    /// <summary>The consumer that sent this message; null outside a consumer.</summary>
    public Guid? InboxConsumerId { get; set; }

    /// <summary>The unit of work that sent this message; null inside a consumer.</summary>
    public Guid? OutboxId { get; set; }

    /// <summary>The message id. It never changes, so receivers can detect duplicates.</summary>
    public Guid MessageId { get; set; }

    /// <summary>The content type of the body.</summary>
    public string ContentType { get; set; } = null!;

    /// <summary>The message's types, separated by semicolons.</summary>
    public string MessageType { get; set; } = null!;

    /// <summary>The serialized body.</summary>
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

    /// <summary>The types in <see cref="MessageType"/>.</summary>
    internal string[] Types => _types ??= MessageType.Split(';');

    Guid? MessageContext.MessageId => MessageId;

    DateTime? MessageContext.SentTime => SentTime;

    Headers MessageContext.Headers => _headers ??= Read(Headers) is { Count: > 0 } headers ? new DictionarySendHeaders(headers!)
        : EmptyHeaders.Instance;

    HostInfo MessageContext.Host => Metadata.HostMetadataCache.Host;

    IReadOnlyDictionary<string, object> OutboxMessageContext.Properties => _properties ??= Read(Properties);

    // The sending process keeps the parsed values, so it need not parse the stored JSON.
    internal void Remember(string[] types, Dictionary<string, object> headers, Dictionary<string, object> properties)
    {
        _types = types;
        _headers = headers.Count == 0 ? EmptyHeaders.Instance : new DictionarySendHeaders(headers!);
        _properties = properties;
    }

    private static Dictionary<string, object> Read(string? json) =>
        string.IsNullOrEmpty(json) ? [] : SystemTextJsonMessageSerializer.Instance.DeserializeDictionary<object>(json) ?? [];
}
