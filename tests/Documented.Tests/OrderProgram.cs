using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

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

/// <summary>Orders, their sagas, the inbox and the outbox.</summary>
public class OrderDbContext(DbContextOptions<OrderDbContext> options) : SagaDbContext(options)
{
    protected override IEnumerable<ISagaClassMap> Configurations
    {
        get { yield return new OrderStateMap(); }
    }

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.AddInboxStateEntity();
        modelBuilder.AddOutboxMessageEntity();
        modelBuilder.AddOutboxStateEntity();
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

public class ParcelStateDbContext(DbContextOptions options) : SagaDbContext(options)
{
    protected override IEnumerable<ISagaClassMap> Configurations
    {
        get { yield return new ParcelStateMap(); }
    }
}

/// <summary>A consumer whose messages leave with its inbox row.</summary>
public class SubmitOrderConsumer : IConsumer<SubmitOrder>
{
    public Task Consume(ConsumeContext<SubmitOrder> context) =>
        context.Publish(new OrderSubmitted(context.Message.OrderId, context.Message.Customer));
}

public class OrderCompletedConsumer(OrderProgram.Completions completions) : IConsumer<OrderCompleted>
{
    public Task Consume(ConsumeContext<OrderCompleted> context)
    {
        completions.Of(context.Message.OrderId).TrySetResult();
        return Task.CompletedTask;
    }
}

/// <summary>A program as the documentation of MassTransit.EntityFrameworkCore 8.5 teaches to write it, and nothing else.</summary>
public static class OrderProgram
{
    public static IHost Build(string orders, string parcels)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton<Completions>();
        builder.Services.AddDbContext<OrderDbContext>(options => options.UseSqlite(orders));
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(options => options.WaitUntilStarted = true);
        builder.Services.AddMassTransit(x =>
        {
            x.AddEntityFrameworkOutbox<OrderDbContext>(o =>
            {
                o.UseSqlite();
                o.QueryDelay = TimeSpan.FromSeconds(1);
                o.QueryMessageLimit = 100;
                o.QueryTimeout = TimeSpan.FromSeconds(30);
                o.DuplicateDetectionWindow = TimeSpan.FromMinutes(5);
                o.IsolationLevel = IsolationLevel.Serializable;
                o.UseBusOutbox(c =>
                {
                    c.MessageDeliveryLimit = 100;
                    c.MessageDeliveryTimeout = TimeSpan.FromSeconds(10);
                });
            });
            x.AddConsumer<SubmitOrderConsumer>();
            x.AddConsumer<OrderCompletedConsumer>();
            x.AddSagaStateMachine<OrderStateMachine, OrderState, OrderStateDefinition>()
                .EntityFrameworkRepository(r =>
                {
                    r.ExistingDbContext<OrderDbContext>();
                    r.UseSqlite();
                });
            x.AddSagaStateMachine<ParcelStateMachine, ParcelState>()
                .EntityFrameworkRepository(r =>
                {
                    r.ConcurrencyMode = ConcurrencyMode.Pessimistic;
                    r.IsolationLevel = IsolationLevel.Serializable;
                    r.LockStatementProvider = new SqliteLockStatementProvider();
                    r.AddDbContext<DbContext, ParcelStateDbContext>((provider, options) => options.UseSqlite(parcels));
                });
            x.AddConfigureEndpointsCallback((context, name, cfg) =>
            {
                if (name == "SubmitOrder")
                    cfg.UseEntityFrameworkOutbox<OrderDbContext>(context);
            });
            x.UsingInMemory((context, cfg) => cfg.ConfigureEndpoints(context));
        });
        return builder.Build();
    }

    /// <summary>What a request would do: the command leaves with the save.</summary>
    public static async Task SubmitAsync(IServiceProvider services, Guid orderId, string customer, CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var publishEndpoint = scope.ServiceProvider.GetRequiredService<IPublishEndpoint>();
        var database = scope.ServiceProvider.GetRequiredService<OrderDbContext>();
        await publishEndpoint.Publish(new SubmitOrder(orderId, customer), cancellationToken);
        await database.SaveChangesAsync(cancellationToken);
    }

    public static async Task CreateTablesAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<OrderDbContext>().Database.EnsureCreatedAsync(cancellationToken);
        await scope.ServiceProvider.GetRequiredService<ParcelStateDbContext>().Database.EnsureCreatedAsync(cancellationToken);
    }

    public sealed class Completions
    {
        private readonly System.Collections.Concurrent.ConcurrentDictionary<Guid, TaskCompletionSource> _all = new();

        public TaskCompletionSource Of(Guid orderId) =>
            _all.GetOrAdd(orderId, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }
}
