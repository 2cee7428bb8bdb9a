using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using MassTransit;

namespace ConcertSaga.DataPlatform.Intake;

/// <summary>Creates the delivery of a confirmation. A duplicate message finds the existing row.</summary>
internal sealed class ReservationConfirmedConsumer(EventIntake intake) : IConsumer<ReservationConfirmed>
{
    public Task Consume(ConsumeContext<ReservationConfirmed> context) =>
        intake.AddAsync([PlatformEvent.Confirmed(context.Message)], context.CancellationToken);
}

internal sealed class ReservationConfirmedConsumerDefinition : ConsumerDefinition<ReservationConfirmedConsumer>
{
    public ReservationConfirmedConsumerDefinition() => EndpointName = EventQueues.DataPlatformReservationConfirmed;
}
