using System.Collections.Concurrent;
using System.Net.Mime;
using MassTransit.Context;
using MassTransit.Logging;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Turns outbox rows back into messages and sends them; the counterpart of <see cref="MessageCapture"/>. All ways to the broker end here.
/// </summary>
internal static class MessageDelivery
{
    /// <summary>
    /// Marks a message that the broker has never received before. Sweeps, repeated deliveries and the transport's own retries send without
    /// this header.
    /// </summary>
    public const string FirstAttempt = "Outbox-First-Attempt";

    private static readonly ConcurrentDictionary<string, ContentType> ContentTypes = new();

    /// <summary>
    /// Sends rows in order with their stored bodies, and waits for the confirmation of each. The sweeper sends delayed rows when they are
    /// due.
    /// </summary>
    /// <param name="rows">The rows.</param>
    /// <param name="done">Receives the sent and the expired rows, also if a later row fails.</param>
    /// <param name="endpoints">Provides the endpoints of the destinations.</param>
    /// <param name="now">The current time.</param>
    /// <param name="isFirst">Whether this is the first attempt to send the rows.</param>
    /// <param name="cancellationToken">Cancels the sending.</param>
    public static async Task SendAsync(
        IReadOnlyList<OutboxMessage> rows, List<OutboxMessage> done, ISendEndpointProvider endpoints, DateTime now, bool isFirst,
        CancellationToken cancellationToken)
    {
        foreach (var row in rows)
        {
            if (row.EnqueueTime > now)
                continue;
            if (!(row.ExpirationTime <= now) && row.DestinationAddress is not null)
                await SendRowAsync(row, endpoints, new StoredMessagePipe(row, now, isFirst), cancellationToken).ConfigureAwait(false);
            done.Add(row);
        }
    }

    // Emits the same activity and instrument as MassTransit's own outbox.
    private static async Task SendRowAsync(OutboxMessage row, ISendEndpointProvider endpoints, StoredMessagePipe pipe,
        CancellationToken cancellationToken)
    {
        var activity = LogContext.Current?.StartOutboxDeliverActivity(row);
        var instrument = LogContext.Current?.StartOutboxDeliveryInstrument(row);
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
            // A forwarded message may carry a stale header, and a retry of the transport runs this pipe again.
            context.Headers.Set(FirstAttempt, _isFirst ? true : null, true);
            _isFirst = false;
            if (context is TransportSendContext transport && ((Middleware.OutboxMessageContext)row).Properties is { Count: > 0 } properties)
                transport.ReadPropertiesFrom(properties);
            // The delay has passed in the outbox, so the transport must not delay the message again.
            context.Delay = null;
            context.ContentType = contentType;
            context.Serializer = new CopyBodySerializer(contentType, new StringMessageBody(row.Body));
            return Task.CompletedTask;
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("outbox");
    }
}
