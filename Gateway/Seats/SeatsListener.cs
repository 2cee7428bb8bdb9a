using ConcertSaga.Contracts.Seats;
using MassTransit;

namespace ConcertSaga.Gateway.Seats;

/// <summary>Receives changes of seats on this gateway's own temporary queue.</summary>
public sealed class SeatsListener(SeatChangeFeed changes) : IConsumer<SeatsChanged>
{
    /// <inheritdoc />
    public Task Consume(ConsumeContext<SeatsChanged> context)
    {
        changes.Apply(context.Message);
        return Task.CompletedTask;
    }
}

/// <summary>Declares a queue for seat changes alone, so that the waiting room's messages never wait behind many of them.</summary>
public sealed class SeatsListenerDefinition : ConsumerDefinition<SeatsListener>
{
    /// <summary>Names the queue.</summary>
    public SeatsListenerDefinition() => Endpoint(endpoint =>
    {
        endpoint.Name = $"gateway-seats-{NewId.NextGuid():N}";
        endpoint.Temporary = true;
    });
}
