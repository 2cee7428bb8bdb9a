using ConcertSaga.Contracts.Queue;
using MassTransit;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Receives the progress of the waiting rooms and the revocations of tokens, on this gateway's own temporary queue.</summary>
public sealed class QueueListener(RoomDirectory rooms) : IConsumer<QueueAdvanced>, IConsumer<QueueTokenRevoked>
{
    /// <inheritdoc />
    public Task Consume(ConsumeContext<QueueAdvanced> context)
    {
        rooms.Apply(context.Message);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public Task Consume(ConsumeContext<QueueTokenRevoked> context)
    {
        rooms.Apply(context.Message);
        return Task.CompletedTask;
    }
}

/// <summary>Declares a temporary queue. After a restart the gateway reads a snapshot, so it does not need missed messages.</summary>
public sealed class QueueListenerDefinition : ConsumerDefinition<QueueListener>
{
    /// <summary>Names the queue.</summary>
    public QueueListenerDefinition() => Endpoint(endpoint =>
    {
        endpoint.Name = $"gateway-queue-{NewId.NextGuid():N}";
        endpoint.Temporary = true;
    });
}
