using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Domain;
using MassTransit;

namespace ConcertSaga.DataPlatform.Consumers;

/// <summary>Writes down that the platform is to be told of a confirmed reservation, once; a repeat finds it written.</summary>
internal sealed class ReservationConfirmedConsumer(Intake intake) : IConsumer<ReservationConfirmed>
{
    public Task Consume(ConsumeContext<ReservationConfirmed> context) =>
        intake.AddAsync([PlatformEvent.Confirmed(context.Message)], context.CancellationToken);
}

internal sealed class ReservationConfirmedConsumerDefinition : ConsumerDefinition<ReservationConfirmedConsumer>
{
    public ReservationConfirmedConsumerDefinition() => EndpointName = "dataplatform-reservation-confirmed";
}
