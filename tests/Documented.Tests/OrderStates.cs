using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace ConcertSaga.Documented.Tests;

public record SubmitOrder(Guid OrderId, string Customer);

public record OrderSubmitted(Guid OrderId, string Customer);

public record ShipmentBooked(Guid OrderId);

public record OrderCompleted(Guid OrderId);

/// <summary>A saga with a row lock.</summary>
public class OrderState : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = null!;

    public string? Customer { get; set; }
}

public class OrderStateMap : SagaClassMap<OrderState>
{
    protected override void Configure(EntityTypeBuilder<OrderState> entity, ModelBuilder model)
    {
        entity.Property(x => x.CurrentState).HasMaxLength(64);
        entity.Property(x => x.Customer);
    }
}

public class OrderStateMachine : MassTransitStateMachine<OrderState>
{
    public OrderStateMachine()
    {
        InstanceState(x => x.CurrentState);
        Event(() => OrderSubmitted, x => x.CorrelateById(context => context.Message.OrderId));
        Event(() => ShipmentBooked, x => x.CorrelateById(context => context.Message.OrderId));

        Initially(When(OrderSubmitted)
            .Then(context => context.Saga.Customer = context.Message.Customer)
            .TransitionTo(Submitted));
        During(Submitted, When(ShipmentBooked)
            .Publish(context => new OrderCompleted(context.Saga.CorrelationId))
            .TransitionTo(Completed));
    }

    public State Submitted { get; } = null!;

    public State Completed { get; } = null!;

    public Event<OrderSubmitted> OrderSubmitted { get; } = null!;

    public Event<ShipmentBooked> ShipmentBooked { get; } = null!;
}

public class OrderStateDefinition : SagaDefinition<OrderState>
{
    protected override void ConfigureSaga(
        IReceiveEndpointConfigurator endpointConfigurator, ISagaConfigurator<OrderState> sagaConfigurator, IRegistrationContext context)
    {
        endpointConfigurator.UseMessageRetry(r => r.Intervals(100, 500, 1000, 1000));
        endpointConfigurator.UseEntityFrameworkOutbox<OrderDbContext>(context);
    }
}

/// <summary>A second saga, in a context that belongs to its repository.</summary>
public class ParcelState : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = null!;
}

public class ParcelStateMap : SagaClassMap<ParcelState>
{
    protected override void Configure(EntityTypeBuilder<ParcelState> entity, ModelBuilder model) =>
        entity.Property(x => x.CurrentState).HasMaxLength(64);
}

public class ParcelStateMachine : MassTransitStateMachine<ParcelState>
{
    public ParcelStateMachine()
    {
        InstanceState(x => x.CurrentState);
        Event(() => OrderSubmitted, x => x.CorrelateById(context => context.Message.OrderId));
        Initially(When(OrderSubmitted)
            .Publish(context => new ShipmentBooked(context.Saga.CorrelationId))
            .TransitionTo(Booked));
    }

    public State Booked { get; } = null!;

    public Event<OrderSubmitted> OrderSubmitted { get; } = null!;
}
