using System.Data;
using MassTransit.Configuration;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit;

/// <summary>Adds the transactional outbox over Entity Framework Core.</summary>
public static class EntityFrameworkOutboxConfigurationExtensions
{
    /// <summary>Registers the outbox of a context.</summary>
    public static void AddEntityFrameworkOutbox<TDbContext>(
        this IBusRegistrationConfigurator configurator, Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        var options = new EntityFrameworkOutboxOptions<TDbContext>();
        configure?.Invoke(new Configurator<TDbContext>(configurator, options));

        configurator.TryAddSingleton(TimeProvider.System);
        configurator.AddSingleton(options);
        configurator.AddSingleton<InboxReader<TDbContext>>();
        configurator.AddSingleton<OutboxWriter<TDbContext>>();
        configurator.TryAddEnumerable(ServiceDescriptor.Singleton(typeof(IDbContextOptionsConfiguration<>), typeof(OutboxInterceptorConfiguration<>)));
        configurator.AddSingleton<BusOutboxDelivery<TDbContext>>();
        configurator.AddScoped<IOutboxContextFactory<TDbContext>, EntityFrameworkOutboxContextFactory<TDbContext>>();
        configurator.AddHostedService(services => services.GetRequiredService<BusOutboxDelivery<TDbContext>>());
    }

    /// <summary>Puts the outbox on an endpoint: every consumer and saga there consumes in one transaction of the context.</summary>
    public static void UseEntityFrameworkOutbox<TDbContext>(
        this IReceiveEndpointConfigurator configurator, IRegistrationContext context, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        var observer = new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, context);
        configure?.Invoke(observer);
        configurator.ConnectConsumerConfigurationObserver(observer);
        configurator.ConnectSagaConfigurationObserver(observer);
    }

    private sealed class Configurator<TDbContext>(IBusRegistrationConfigurator bus, EntityFrameworkOutboxOptions<TDbContext> options)
        : IEntityFrameworkOutboxConfigurator, IBusOutboxConfigurator
        where TDbContext : DbContext
    {
        public TimeSpan DuplicateDetectionWindow { set => options.DuplicateDetectionWindow = value; }

        public TimeSpan QueryDelay { set => options.QueryDelay = value; }

        public int QueryMessageLimit { set => options.QueryMessageLimit = value; }

        public TimeSpan QueryTimeout { set => options.QueryTimeout = value; }

        public IsolationLevel IsolationLevel { set => options.IsolationLevel = value; }

        public TimeSpan DeliveredRetention { set => options.DeliveredRetention = value; }

        public void DisableInboxCleanupService() => options.InboxCleanup = false;

        public void UseBusOutbox(Action<IBusOutboxConfigurator>? configure)
        {
            bus.RemoveAll<IScopedBusContextProvider<IBus>>();
            bus.AddScoped<IScopedBusContextProvider<IBus>, BusOutboxContextProvider<IBus, TDbContext>>();
            configure?.Invoke(this);
        }

        public void DisableDeliveryService() =>
            throw new NotSupportedException("The delivery loop also delivers what consumers left behind; it cannot be switched off.");
    }
}
