using ConcertSaga.Benchmarks.Sagas;
using MassTransit;
using Npgsql;

namespace ConcertSaga.Benchmarks.Choreographies;

/// <summary>
/// No component knows the whole: each service listens to the event of the step before its own, and after a failure to the event of the step
/// after it. The last event reaches the process that asked for the reservation; it keeps no database.
/// </summary>
internal sealed class ChoreographedForm() : ReservationForm("choreographed")
{
    private const string Outcomes = "outcomes";

    public override void Register(IBusRegistrationConfigurator bus, NpgsqlDataSource source)
    {
        base.Register(bus, source);
        bus.AddConsumer<SeatsListener>();
        bus.AddConsumer<PointsListener>();
        bus.AddConsumer<PaymentListener>();
        bus.AddConsumer<SeatConfirmationListener>();
        bus.AddConsumer<OutcomeListener>();
    }

    public override void AddEndpoints(
        IBusRegistrationContext context, IRabbitMqBusFactoryConfigurator transport, SagaSettings settings)
    {
        AddStep<SeatsListener, Seats>(context, transport, settings, Holding, subscribes: true);
        AddStep<PointsListener, Points>(context, transport, settings, Deducting, subscribes: true);
        AddStep<PaymentListener, Payments>(context, transport, settings, Paying, subscribes: true);
        AddStep<SeatConfirmationListener, Seats>(context, transport, settings, Confirming, subscribes: true);
        SagaTransport.AddEndpoint(transport, settings, Outcomes, endpoint =>
        {
            endpoint.ConfigureConsumeTopology = true;
            endpoint.ConfigureConsumer<OutcomeListener>(context);
        });
    }

    public override Task RequestAsync(IBus bus, SagaSettings settings, ReservationRequested request) => bus.Publish(request);
}

internal sealed class SeatsListener(ServiceContext<Seats> seats) : IConsumer<ReservationRequested>, IConsumer<PointsRefunded>
{
    public Task Consume(ConsumeContext<ReservationRequested> context)
    {
        seats.Begin(context.Message.ReservationId, context.Message.Details, ServiceStates.Held);
        return context.Publish(new SeatsHeld(context.Message.ReservationId, context.Message.Details));
    }

    public async Task Consume(ConsumeContext<PointsRefunded> context)
    {
        await seats.ChangeAsync(context.Message.ReservationId, ServiceStates.Released);
        await context.Publish(new SeatsReleased(context.Message.ReservationId, context.Message.Details));
    }
}

internal sealed class PointsListener(ServiceContext<Points> points) : IConsumer<SeatsHeld>, IConsumer<PaymentRejected>
{
    public Task Consume(ConsumeContext<SeatsHeld> context)
    {
        points.Begin(context.Message.ReservationId, context.Message.Details, ServiceStates.Deducted);
        return context.Publish(new PointsDeducted(context.Message.ReservationId, context.Message.Details));
    }

    public async Task Consume(ConsumeContext<PaymentRejected> context)
    {
        await points.ChangeAsync(context.Message.ReservationId, ServiceStates.Refunded);
        await context.Publish(new PointsRefunded(context.Message.ReservationId, context.Message.Details));
    }
}

internal sealed class PaymentListener(ServiceContext<Payments> payments) : IConsumer<PointsDeducted>
{
    public Task Consume(ConsumeContext<PointsDeducted> context)
    {
        var (id, details) = (context.Message.ReservationId, context.Message.Details);
        payments.Begin(id, details, details.PaymentFails ? ServiceStates.Rejected : ServiceStates.Confirmed);
        return details.PaymentFails
            ? context.Publish(new PaymentRejected(id, details))
            : context.Publish(new PaymentConfirmed(id, details));
    }
}

internal sealed class SeatConfirmationListener(ServiceContext<Seats> seats) : IConsumer<PaymentConfirmed>
{
    public async Task Consume(ConsumeContext<PaymentConfirmed> context)
    {
        await seats.ChangeAsync(context.Message.ReservationId, ServiceStates.Confirmed);
        await context.Publish(new SeatsConfirmed(context.Message.ReservationId, context.Message.Details));
    }
}

/// <summary>The process that asked learns the outcome. <see cref="ReservationWatch"/> records it.</summary>
internal sealed class OutcomeListener : IConsumer<SeatsConfirmed>, IConsumer<SeatsReleased>
{
    public Task Consume(ConsumeContext<SeatsConfirmed> context) => Task.CompletedTask;

    public Task Consume(ConsumeContext<SeatsReleased> context) => Task.CompletedTask;
}
