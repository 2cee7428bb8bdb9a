using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Domain;
using MassTransit;

namespace ConcertSaga.Queue.Consumers;

/// <summary>Ends the pass a reservation was paid with, once; a repeat finds it ended.</summary>
internal sealed class ReservationConfirmedConsumer(Places places) : IConsumer<ReservationConfirmed>
{
    public Task Consume(ConsumeContext<ReservationConfirmed> context) => context.Message.QueueTokenId is { } tokenId
        ? places.CompleteAsync(tokenId, context.Message.ConcertId, context.CancellationToken)
        : Task.CompletedTask;
}

internal sealed class ReservationConfirmedConsumerDefinition : ConsumerDefinition<ReservationConfirmedConsumer>
{
    public ReservationConfirmedConsumerDefinition() => EndpointName = "queue-reservation-confirmed";
}
