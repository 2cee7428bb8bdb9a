using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using MassTransit;
using MassTransit.Serialization;

namespace ConcertSaga.Operations.Tests.Fixtures;

/// <summary>Puts messages into failure queues, as MassTransit or the broker would.</summary>
internal static class FailedMessageSender
{
    public const string Exception = "System.InvalidOperationException";

    /// <summary>Creates a command that deducts one point.</summary>
    public static DeductPoints Deduction() => new(Guid.CreateVersion7(), 1, "mina", 1);

    /// <summary>Sends a message to the error queue of a queue.</summary>
    /// <returns>The id of the message.</returns>
    public static async Task<Guid> FailAsync<T>(
        this ISendEndpointProvider bus, string queue, T message, string exception = Exception, Guid? messageId = null)
        where T : class
    {
        var id = messageId ?? Guid.CreateVersion7();
        var endpoint = await bus.GetSendEndpoint(CommandQueues.AddressOf($"{queue}_error"));
        await endpoint.Send(message, context =>
        {
            context.MessageId = id;
            Mark(context, exception);
            context.Headers.Set("Tenant", "one");
        });
        return id;
    }

    /// <summary>Sends any bytes to the error queue of a queue.</summary>
    public static async Task FailRawAsync(this ISendEndpointProvider bus, string queue, byte[] body, string contentType)
    {
        var endpoint = await bus.GetSendEndpoint(CommandQueues.AddressOf($"{queue}_error"));
        await endpoint.Send(new SerializedMessageBody(), Pipe.Execute<SendContext>(context =>
        {
            Mark(context, Exception);
            context.ContentType = new System.Net.Mime.ContentType(contentType);
            context.Serializer = new CopyBodySerializer(context.ContentType, new BytesMessageBody(body));
        }));
    }

    private static void Mark(SendContext context, string exception)
    {
        context.Headers.Set(MessageHeaders.Reason, "fault");
        context.Headers.Set(MessageHeaders.FaultExceptionType, exception);
        context.Headers.Set(MessageHeaders.FaultMessage, "It does not work.\nNot at all.");
        context.Headers.Set(MessageHeaders.FaultStackTrace, "at Nowhere()");
        context.Headers.Set(MessageHeaders.FaultTimestamp, "2026-06-01T12:00:00.0000000Z");
    }
}
