using ConcertSaga.Contracts.Queue;
using MassTransit;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Hears how far the waiting rooms are and which tokens ended, on a temporary queue of this gateway's own.</summary>
public sealed class QueueListener(WaitingRoom room) : IConsumer<QueueAdvanced>, IConsumer<QueueTokenRevoked>
{
    /// <inheritdoc />
    public Task Consume(ConsumeContext<QueueAdvanced> context)
    {
        room.Apply(context.Message);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public Task Consume(ConsumeContext<QueueTokenRevoked> context)
    {
        room.Apply(context.Message);
        return Task.CompletedTask;
    }
}

/// <summary>What waits while a gateway is away is of no use to it afterwards: it reads a snapshot.</summary>
public sealed class QueueListenerDefinition : ConsumerDefinition<QueueListener>
{
    /// <summary>Names the queue.</summary>
    public QueueListenerDefinition() => Endpoint(endpoint =>
    {
        endpoint.Name = $"gateway-queue-{NewId.NextGuid():N}";
        endpoint.Temporary = true;
    });
}
