using System.Net.Mime;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit;
using MassTransit.Serialization;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>Sends a failed message back to its queue, with its id, its body and the headers it had before it failed.</summary>
internal sealed class Requeuer(IBus bus)
{
    // MassTransit reads a message without a content type as this.
    private const string DefaultContentType = "application/vnd.masstransit+json";

    /// <summary>Returns when the broker has confirmed the message.</summary>
    /// <exception cref="MessageReturnedException">The queue does not exist.</exception>
    public async Task SendAsync(FailedMessage message, CancellationToken cancellationToken)
    {
        var endpoint = await bus.GetSendEndpoint(CommandQueues.AddressOf(message.Queue));
        await endpoint.Send(new SerializedMessageBody(), Pipe.Execute<SendContext>(context => Restore(message, context)),
            cancellationToken);
    }

    private static void Restore(FailedMessage message, SendContext context)
    {
        if (ValueReader.TryRead(message.MessageId, out Guid id))
            context.MessageId = id;
        MessageHeaderJson.Restore(message.Headers, context);
        var contentType = TypeOf(message.ContentType);
        context.ContentType = contentType;
        context.Serializer = new CopyBodySerializer(contentType, new BytesMessageBody(message.Body));
        // Without this, the broker would confirm and drop a message whose queue was deleted.
        if (context.TryGetPayload<RabbitMqSendContext>(out var rabbit))
            rabbit.Mandatory = true;
    }

    private static ContentType TypeOf(string? text)
    {
        try
        {
            return new ContentType(text ?? DefaultContentType);
        }
        catch (FormatException)
        {
            return new ContentType(DefaultContentType);
        }
    }
}
