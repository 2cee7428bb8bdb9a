using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>Sends a service's reply to a command.</summary>
public static class CommandReply
{
    /// <summary>
    /// The header of a message that the broker has never received before, as the outbox sets it. The receiver's inbox then skips its look
    /// for a duplicate.
    /// </summary>
    public const string FirstAttempt = "Outbox-First-Attempt";

    /// <summary>Publishes the reply to a command. Call it after the decision is committed.</summary>
    public static Task ReplyAsync(this ConsumeContext context, object reply) => FaultInjection.DropsReply ? Task.CompletedTask
        : context.Publish(reply, reply.GetType(), new FirstAttemptPipe(), context.CancellationToken);

    // A repeated command gets a new reply with an id of its own. Only the transport's own retry, which runs this pipe again, sends a reply
    // that the broker may have.
    private sealed class FirstAttemptPipe : IPipe<PublishContext>
    {
        private bool _isRetry;

        public Task Send(PublishContext context)
        {
            context.Headers.Set(FirstAttempt, _isRetry ? null : true, true);
            _isRetry = true;
            return Task.CompletedTask;
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("firstAttempt");
    }
}
