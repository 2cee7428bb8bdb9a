using System.Collections.Concurrent;
using System.Net.Mime;
using System.Text.Json;
using MassTransit.Context;
using MassTransit.Logging;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>How a message becomes an outbox row, and an outbox row a message again.</summary>
internal static class OutboxMessages
{
    /// <summary>
    /// A transport header of a message that was never handed to the broker before. One that may have been comes without it: a sweep, a repeated
    /// delivery of what it answers, a retry of the transport.
    /// </summary>
    public const string FirstAttempt = "Outbox-First-Attempt";

    private static readonly ConcurrentDictionary<string, ContentType> ContentTypes = new();

    /// <summary>The row of a message that is about to be sent; serialised once, here.</summary>
    public static OutboxMessage Capture<T>(SendContext<T> context, DateTime now)
        where T : class
    {
        var row = new OutboxMessage
        {
            MessageId = context.MessageId ?? throw new MessageException(typeof(T), "The outbox needs a message id."),
            ConversationId = context.ConversationId,
            CorrelationId = context.CorrelationId,
            InitiatorId = context.InitiatorId,
            RequestId = context.RequestId,
            SourceAddress = context.SourceAddress,
            DestinationAddress = context.DestinationAddress,
            ResponseAddress = context.ResponseAddress,
            FaultAddress = context.FaultAddress,
            SentTime = now,
            ContentType = context.ContentType?.ToString() ?? context.Serialization.DefaultContentType.ToString(),
            MessageType = string.Join(';', context.SupportedMessageTypes),
            Body = context.Serializer.GetMessageBody(context).GetString(),
            EnqueueTime = context.Delay is { } delay ? now + delay : null,
            ExpirationTime = context.TimeToLive is { } timeToLive ? now + timeToLive : null,
        };
        var headers = new Dictionary<string, object>(context.Headers.GetAll(), StringComparer.OrdinalIgnoreCase);
        var properties = new Dictionary<string, object>(StringComparer.OrdinalIgnoreCase);
        if (context is TransportSendContext transport)
            transport.WritePropertiesTo(properties);
        (row.Headers, row.Properties) = (Write(headers), Write(properties));
        row.Remember(context.SupportedMessageTypes, headers, properties);
        return row;
    }

    /// <summary>
    /// Sends rows in their order, waiting for each to be confirmed; the bodies go out as they were stored. A row whose time has not come is
    /// left to the delivery loop.
    /// </summary>
    /// <param name="rows">The rows.</param>
    /// <param name="done">Gets the rows that need no more: sent, or expired. Also those before the one that failed.</param>
    /// <param name="endpoints">Where to send them.</param>
    /// <param name="now">The present.</param>
    /// <param name="isFirst">Whether nobody has tried to send them before.</param>
    /// <param name="cancellationToken">Ends the sending.</param>
    public static async Task SendAsync(
        IReadOnlyList<OutboxMessage> rows, List<OutboxMessage> done, ISendEndpointProvider endpoints, DateTime now, bool isFirst, CancellationToken cancellationToken)
    {
        foreach (var row in rows)
        {
            if (row.EnqueueTime > now)
                continue;
            if (!(row.ExpirationTime <= now) && row.DestinationAddress is not null)
                await SendAsync(row, endpoints, new StoredMessagePipe(row, now, isFirst), cancellationToken).ConfigureAwait(false);
            done.Add(row);
        }
    }

    // Seen from outside it is what MassTransit calls the delivery of an outbox message.
    private static async Task SendAsync(OutboxMessage row, ISendEndpointProvider endpoints, StoredMessagePipe pipe, CancellationToken cancellationToken)
    {
        var (activity, instrument) = (LogContext.Current?.StartOutboxDeliverActivity(row), LogContext.Current?.StartOutboxDeliveryInstrument(row));
        try
        {
            var endpoint = await endpoints.GetSendEndpoint(row.DestinationAddress!).ConfigureAwait(false);
            await endpoint.Send(new SerializedMessageBody(), pipe, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            activity?.AddExceptionEvent(exception);
            instrument?.AddException(exception);
            throw;
        }
        finally
        {
            activity?.Stop();
            instrument?.Stop();
        }
    }

    private static string? Write(Dictionary<string, object> values) =>
        values.Count == 0 ? null : JsonSerializer.Serialize(values, SystemTextJsonMessageSerializer.Options);

    private sealed class StoredMessagePipe(OutboxMessage row, DateTime now, bool isFirst) : IPipe<SendContext>
    {
        private bool _isFirst = isFirst;

        public Task Send(SendContext context)
        {
            var contentType = ContentTypes.GetOrAdd(row.ContentType, static text => new ContentType(text));
            context.MessageId = row.MessageId;
            context.RequestId = row.RequestId;
            context.ConversationId = row.ConversationId;
            context.CorrelationId = row.CorrelationId;
            context.InitiatorId = row.InitiatorId;
            context.SourceAddress = row.SourceAddress;
            context.ResponseAddress = row.ResponseAddress;
            context.FaultAddress = row.FaultAddress;
            context.SupportedMessageTypes = row.Types;
            if (row.ExpirationTime is { } expires)
                context.TimeToLive = expires - now;
            foreach (var (key, value) in ((MessageContext)row).Headers.GetAll())
                context.Headers.Set(key, value, true);
            // One that was forwarded may bring the header along, and the transport tries again with the same pipe.
            context.Headers.Set(FirstAttempt, _isFirst ? true : null, true);
            _isFirst = false;
            if (context is TransportSendContext transport && ((Middleware.OutboxMessageContext)row).Properties is { Count: > 0 } properties)
                transport.ReadPropertiesFrom(properties);
            // It has waited here; the transport is not to let it wait once more.
            context.Delay = null;
            context.ContentType = contentType;
            context.Serializer = new CopyBodySerializer(contentType, new StringMessageBody(row.Body));
            return Task.CompletedTask;
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("outbox");
    }
}
