using ConcertSaga.Contracts.Seats;
using ConcertSaga.Queue.Domain;
using MassTransit;

namespace ConcertSaga.Queue.Consumers;

/// <summary>Makes a waiting room for a concert, or takes over its new sale times.</summary>
internal sealed class ConcertPublishedConsumer(Concerts concerts) : IConsumer<ConcertPublished>
{
    public Task Consume(ConsumeContext<ConcertPublished> context) =>
        concerts.SaveAsync([context.Message], context.CancellationToken);
}

internal sealed class ConcertPublishedConsumerDefinition : ConsumerDefinition<ConcertPublishedConsumer>
{
    public ConcertPublishedConsumerDefinition() => EndpointName = "queue-concert-published";
}
