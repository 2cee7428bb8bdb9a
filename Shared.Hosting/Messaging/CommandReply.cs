using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>Sends a service's reply to a command.</summary>
public static class CommandReply
{
    /// <summary>Publishes the reply to a command. Call it after the decision is committed.</summary>
    public static Task ReplyAsync(this ConsumeContext context, object reply) =>
        FaultInjection.DropsReply ? Task.CompletedTask : context.Publish(reply, reply.GetType(), context.CancellationToken);
}
