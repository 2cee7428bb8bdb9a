using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using MassTransit;

namespace ConcertSaga.Queue.Line;

/// <summary>Ends the pass that paid for a reservation. A duplicate finds the pass ended.</summary>
internal sealed class ReservationConfirmedConsumer(EntryUpdater entries) : IConsumer<ReservationConfirmed>
{
    public Task Consume(ConsumeContext<ReservationConfirmed> context) => context.Message.QueueTokenId is { } tokenId
        ? entries.CompleteAsync(tokenId, context.Message.ConcertId, context.CancellationToken)
        : Task.CompletedTask;
}

internal sealed class ReservationConfirmedConsumerDefinition : ConsumerDefinition<ReservationConfirmedConsumer>
{
    public ReservationConfirmedConsumerDefinition() => EndpointName = EventQueues.QueueReservationConfirmed;
}
