using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using MassTransit;

namespace ConcertSaga.Queue.Catalogue;

/// <summary>Creates the waiting room of a concert, or updates its sale times.</summary>
internal sealed class ConcertPublishedConsumer(ConcertCatalogue catalogue) : IConsumer<ConcertPublished>
{
    public Task Consume(ConsumeContext<ConcertPublished> context) =>
        catalogue.HearAsync(context.Message, context.CancellationToken);
}

internal sealed class ConcertPublishedConsumerDefinition : ConsumerDefinition<ConcertPublishedConsumer>
{
    public ConcertPublishedConsumerDefinition() => EndpointName = EventQueues.QueueConcertPublished;
}
