using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using MassTransit;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Configures the saga's queue, which takes every message about a reservation through the inbox.</summary>
public sealed class ReservationSagaDefinition : SagaDefinition<Reservation>
{
    public ReservationSagaDefinition() => EndpointName = CommandQueues.Reservations;

    protected override void ConfigureSaga(
        IReceiveEndpointConfigurator endpoint, ISagaConfigurator<Reservation> saga, IRegistrationContext context)
    {
        // Messages in flight share one query and one commit, so a higher limit costs less per message and no further connections.
        endpoint.ConcurrentMessageLimit *= 4;
        endpoint.PrefetchCount *= 4;
        endpoint.UseEntityFrameworkOutbox<OrchestratorDbContext>(context);
        var clock = context.GetRequiredService<TimeProvider>();
        saga.SagaMessage<RetryReservation>(message =>
            message.UseFilter(new OperatorActionFilter<RetryReservation>(OperatorRequest.Of, clock)));
        saga.SagaMessage<CancelReservationByOperator>(message =>
            message.UseFilter(new OperatorActionFilter<CancelReservationByOperator>(OperatorRequest.Of, clock)));
    }
}
