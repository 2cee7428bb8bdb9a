using System.Data;
using MassTransit.Configuration;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit;

/// <summary>Adds the transactional outbox over Entity Framework Core.</summary>
public static class EntityFrameworkOutboxConfigurationExtensions
{
    /// <summary>Registers the outbox of a context. Several contexts can share a bus, but a context belongs to one bus only.</summary>
    /// <exception cref="ConfigurationException">The context already has an outbox on another bus.</exception>
    public static void AddEntityFrameworkOutbox<TDbContext>(
        this IBusRegistrationConfigurator configurator, Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        // The configurator of an additional bus has the bus as its type argument.
        var bus = configurator.GetType().GetInterfaces()
            .FirstOrDefault(type => type.IsGenericType
                && type.GetGenericTypeDefinition() == typeof(IBusRegistrationConfigurator<>))?.GetGenericArguments()[0];
        var registrar = (IOutboxRegistrar)Activator.CreateInstance(typeof(OutboxRegistrar<,>)
            .MakeGenericType(bus ?? typeof(IBus), typeof(TDbContext)))!;
        registrar.Register(configurator, configure);
    }

    /// <summary>
    /// Adds the inbox and outbox of a context to all consumers, sagas and activities of an endpoint.
    /// </summary>
    /// <param name="configurator">The endpoint.</param>
    /// <param name="context">The registration that the endpoint's configuration receives.</param>
    /// <param name="configure">
    /// Configures the delivery. The documented settings are accepted, but have no effect: the process that commits delivers all messages
    /// of a consumer before it acknowledges.
    /// </param>
    public static void UseEntityFrameworkOutbox<TDbContext>(
        this IReceiveEndpointConfigurator configurator, IRegistrationContext context, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext =>
        Connect(configurator, new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, context), configure);

    /// <summary>Adds the outbox to an endpoint when only the container is available.</summary>
    /// <param name="configurator">The endpoint.</param>
    /// <param name="provider">The container.</param>
    /// <param name="configure">Configures the delivery.</param>
    public static void UseEntityFrameworkOutbox<TDbContext>(
        this IReceiveEndpointConfigurator configurator, IServiceProvider provider, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext =>
        Connect(configurator, provider is IRegistrationContext context
            ? new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, context)
            : new OutboxConsumePipeSpecificationObserver<TDbContext>(
                configurator, provider, provider.GetRequiredService<Bind<IBus, ISetScopedConsumeContext>>().Value), configure);

    private static void Connect<TDbContext>(
        IReceiveEndpointConfigurator endpoint, OutboxConsumePipeSpecificationObserver<TDbContext> observer,
        Action<IOutboxOptionsConfigurator>? configure)
        where TDbContext : DbContext
    {
        configure?.Invoke(observer);
        endpoint.ConnectConsumerConfigurationObserver(observer);
        endpoint.ConnectConsumerConfigurationObserver(new AttemptObserver());
        endpoint.ConnectSagaConfigurationObserver(observer);
        endpoint.ConnectActivityConfigurationObserver(observer);
    }

    private interface IOutboxRegistrar
    {
        void Register(IServiceCollection services, Action<IEntityFrameworkOutboxConfigurator>? configure);
    }

    private sealed class OutboxRegistrar<TBus, TDbContext> : IOutboxRegistrar
        where TBus : class, IBus
        where TDbContext : DbContext
    {
        public void Register(IServiceCollection services, Action<IEntityFrameworkOutboxConfigurator>? configure)
        {
            if (services.FirstOrDefault(service =>
                service.ServiceType == typeof(OutboxOwner<TDbContext>))?.ImplementationInstance is OutboxOwner<TDbContext> { Bus: var bus }
                && bus != typeof(TBus))
            {
                throw new ConfigurationException(
                    $"{typeof(TDbContext).Name} already has an outbox on {bus.Name} and cannot have one on {typeof(TBus).Name}. "
                    + "Give each bus its own context.");
            }
            var options = new EntityFrameworkOutboxOptions<TDbContext>();
            configure?.Invoke(new Configurator<TBus, TDbContext>(services, options));

            services.TryAddSingleton(TimeProvider.System);
            services.TryAddSingleton(new OutboxOwner<TDbContext>(typeof(TBus)));
            services.AddSingleton(options);
            services.TryAddEnumerable(
                ServiceDescriptor.Singleton(typeof(IDbContextOptionsConfiguration<>), typeof(OutboxOptionsConfiguration<>)));
            services.TryAddSingleton<InboxReader<TDbContext>>();
            services.TryAddSingleton<GroupCommit<TDbContext>>();
            services.TryAddSingleton(provider => ActivatorUtilities.CreateInstance<OutboxSender<TDbContext>>(provider, BusOf(provider)));
            services.TryAddSingleton<OutboxSweeper<TDbContext>>();
            services.TryAddSingleton<OutboxCleaner<TDbContext>>();
            services.TryAddSingleton<OutboxDelivery<TDbContext>>();
            services.TryAddSingleton<OutboxBacklog<TDbContext>>();
            services.AddHostedService(provider => provider.GetRequiredService<OutboxBacklog<TDbContext>>());
            services.TryAddScoped<IOutboxContextFactory<TDbContext>, InboxFilter<TDbContext>>();
            services.AddHostedService(provider => provider.GetRequiredService<OutboxDelivery<TDbContext>>());
        }

        private static IBusControl BusOf(IServiceProvider provider) =>
            typeof(TBus) == typeof(IBus) ? provider.GetRequiredService<IBusControl>()
                : provider.GetRequiredService<IBusInstance<TBus>>().BusControl;
    }

    private sealed record OutboxOwner<TDbContext>(Type Bus);

    private sealed class Configurator<TBus, TDbContext>(IServiceCollection services, EntityFrameworkOutboxOptions<TDbContext> options)
        : IEntityFrameworkOutboxConfigurator, IEntityFrameworkBusOutboxConfigurator
        where TBus : class, IBus
        where TDbContext : DbContext
    {
        public TimeSpan DuplicateDetectionWindow { set => options.DuplicateDetectionWindow = value; }

        public TimeSpan QueryDelay { set => options.QueryDelay = value; }

        public int QueryMessageLimit { set => options.QueryMessageLimit = value; }

        public TimeSpan QueryTimeout { set => options.QueryTimeout = value; }

        public IsolationLevel IsolationLevel { set => options.IsolationLevel = value; }

        public TimeSpan DeliveredRetention { set => options.DeliveredRetention = value; }

        public TimeSpan MessageDeliveryTimeout { set => options.DeliveryLease = value; }

        public ILockStatementProvider LockStatementProvider
        {
            set => ArgumentNullException.ThrowIfNull(value);
        }

        public int MessageDeliveryLimit
        {
            set => ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
        }

        public void DisableInboxCleanupService() => options.InboxCleanup = false;

        public void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure)
        {
            BusOutboxes.Add<TBus, TDbContext>(services);
            configure?.Invoke(this);
        }

        public void DisableDeliveryService() => options.BusOutboxDelivery = false;
    }
}
