using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>
/// Receives messages from the failure queues as they are, whatever their type and body. A message is acknowledged after
/// <paramref name="ReceiveAsync"/> has returned, and returns to its queue if that throws.
/// </summary>
/// <param name="Queues">The queues whose failures are received.</param>
/// <param name="ReceiveAsync">Takes over one message.</param>
public sealed record FailureReceiver(
    IReadOnlyList<string> Queues, Func<IServiceProvider, FailureQueue, ReceiveContext, Task> ReceiveAsync);

/// <summary>Adds the endpoints of a <see cref="FailureReceiver"/>.</summary>
internal static class FailureEndpoints
{
    public static void Add(IBusFactoryConfigurator transport, IBusRegistrationContext context, MessagingOptions options)
    {
        foreach (var receiver in context.GetServices<FailureReceiver>())
        {
            foreach (var queue in receiver.Queues)
            {
                Add(transport, context, options, receiver, new FailureQueue(queue, FailureKind.Error));
                Add(transport, context, options, receiver, new FailureQueue(queue, FailureKind.Skipped));
                // In memory, no message is delivered too often.
                if (options.Transport == MessagingTransport.RabbitMq)
                    Add(transport, context, options, receiver, new FailureQueue(queue, FailureKind.Dead));
            }
        }
    }

    private static void Add(IBusFactoryConfigurator transport, IBusRegistrationContext context, MessagingOptions options,
        FailureReceiver receiver, FailureQueue queue) =>
        transport.ReceiveEndpoint(queue.Name, endpoint =>
        {
            // One message at a time keeps the order, and limits the memory to one body for each queue.
            endpoint.PrefetchCount = 1;
            endpoint.ConcurrentMessageLimit = 1;
            endpoint.ConfigureConsumeTopology = false;
            if (endpoint is IRabbitMqReceiveEndpointConfigurator rabbit)
                Declare(rabbit, queue, options);
            endpoint.ConfigureReceive(pipe => pipe.UseFilter(new ReceiveFilter(receiver, queue, context)));
        });

    // MassTransit declares the other two with the arguments of their queue. The broker rejects a declaration with other arguments.
    private static void Declare(IRabbitMqReceiveEndpointConfigurator endpoint, FailureQueue queue, MessagingOptions options)
    {
        if (queue.Kind == FailureKind.Dead)
            endpoint.SetQuorumQueue();
        else
            MessagingRegistration.MakeQuorum(endpoint, queue.Queue, options);
    }

    private sealed class ReceiveFilter(FailureReceiver receiver, FailureQueue queue, IServiceProvider services) : IFilter<ReceiveContext>
    {
        // The rest of the pipe would read the body and look for a consumer.
        public Task Send(ReceiveContext context, IPipe<ReceiveContext> next) => receiver.ReceiveAsync(services, queue, context);

        public void Probe(ProbeContext context) => context.CreateFilterScope("failedMessages");
    }
}
