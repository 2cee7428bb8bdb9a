using System.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Documented.Tests;

/// <summary>A consumer whose messages are committed with its inbox entry.</summary>
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

/// <summary>A program that uses only what the documentation of MassTransit.EntityFrameworkCore 8.5 shows.</summary>
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
                // The documented methods return the configurator they are called on.
                IEntityFrameworkOutboxConfigurator same = o.UseSqlite();
                same.QueryDelay = TimeSpan.FromSeconds(1);
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
                    IEntityFrameworkSagaRepositoryConfigurator<OrderState> same = r.UseSqlite();
                    same.ExistingDbContext<OrderDbContext>();
                });
            x.AddSagaStateMachine<ParcelStateMachine, ParcelState>()
                .EntityFrameworkRepository(r =>
                {
                    r.ConcurrencyMode = ConcurrencyMode.Pessimistic;
                    r.IsolationLevel = IsolationLevel.Serializable;
                    r.UseSqlite();
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

    /// <summary>Publishes a command with a save, like an HTTP request.</summary>
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
