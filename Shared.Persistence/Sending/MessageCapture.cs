using System.Text.Json;
using MassTransit.Context;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Turns a message that is being sent into an outbox row.</summary>
internal static class MessageCapture
{
    /// <summary>Creates the row of a message. This is the only place that serializes it.</summary>
    public static OutboxMessage RowOf<T>(SendContext<T> context, DateTime now)
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
        row.Headers = Write(headers);
        row.Properties = Write(properties);
        row.Remember(context.SupportedMessageTypes, headers, properties);
        return row;
    }

    private static string? Write(Dictionary<string, object> values) =>
        values.Count == 0 ? null : JsonSerializer.Serialize(values, SystemTextJsonMessageSerializer.Options);
}
