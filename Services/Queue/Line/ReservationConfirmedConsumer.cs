using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;

namespace ConcertSaga.Queue.Line;

/// <summary>Ends the pass that paid for a reservation. A duplicate finds the pass ended.</summary>
internal sealed class ReservationConfirmedConsumer(CommandGroups<PurchasedPasses> passes) : IConsumer<ReservationConfirmed>
{
    public Task Consume(ConsumeContext<ReservationConfirmed> context) => context.Message.QueueTokenId is { } tokenId
        ? passes.HandleAsync(new PurchasedPass(tokenId), isRetry: context.GetRetryAttempt() > 0)
        : Task.CompletedTask;
}

internal sealed class ReservationConfirmedConsumerDefinition : ConsumerDefinition<ReservationConfirmedConsumer>
{
    public ReservationConfirmedConsumerDefinition() => EndpointName = EventQueues.QueueReservationConfirmed;
}
