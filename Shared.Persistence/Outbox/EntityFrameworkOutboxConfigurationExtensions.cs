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
    /// <summary>Registers the outbox of a context. A context belongs to one bus; several contexts on a bus each have an outbox.</summary>
    /// <exception cref="ConfigurationException">The context's outbox is registered on another bus.</exception>
    public static void AddEntityFrameworkOutbox<TDbContext>(
        this IBusRegistrationConfigurator configurator, Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        // What a second bus is registered with says which bus it is.
        var bus = configurator.GetType().GetInterfaces()
            .FirstOrDefault(type => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IBusRegistrationConfigurator<>))?.GetGenericArguments()[0];
        var registrar = (IOutboxRegistrar)Activator.CreateInstance(typeof(OutboxRegistrar<,>).MakeGenericType(bus ?? typeof(IBus), typeof(TDbContext)))!;
        registrar.Register(configurator, configure);
    }

    /// <summary>Puts the outbox on an endpoint: every consumer, saga and activity there has an inbox and an outbox of the context.</summary>
    /// <param name="configurator">The endpoint.</param>
    /// <param name="context">The registration, as the endpoint's configuration gets it.</param>
    /// <param name="configure">
    /// Configures the delivery. Its settings are accepted as documented: what a consumer sent is delivered as a whole, by the process that
    /// committed it, for as long as the message is not acknowledged.
    /// </param>
    public static void UseEntityFrameworkOutbox<TDbContext>(
        this IReceiveEndpointConfigurator configurator, IRegistrationContext context, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext =>
        Connect(configurator, new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, context), configure);

    /// <summary>Puts the outbox on an endpoint, where only the container is at hand.</summary>
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

    /// <summary>Accepted as documented; the statements are those of the context's database server.</summary>
    public static void UseSqlServer(this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true) =>
        configurator.LockStatementProvider = new SqlServerLockStatementProvider(enableSchemaCaching);

    /// <summary>Accepted as documented; the statements are those of the context's database server, the schema is the model's.</summary>
    public static void UseSqlServer(this IEntityFrameworkOutboxConfigurator configurator, string schemaName, bool enableSchemaCaching = true) =>
        configurator.LockStatementProvider = new SqlServerLockStatementProvider(schemaName, enableSchemaCaching);

    /// <summary>Accepted as documented; the statements are those of the context's database server.</summary>
    public static void UsePostgres(this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true) =>
        configurator.LockStatementProvider = new PostgresLockStatementProvider(enableSchemaCaching);

    /// <summary>Accepted as documented; the statements are those of the context's database server, the schema is the model's.</summary>
    public static void UsePostgres(this IEntityFrameworkOutboxConfigurator configurator, string schemaName, bool enableSchemaCaching = true) =>
        configurator.LockStatementProvider = new PostgresLockStatementProvider(schemaName, enableSchemaCaching);

    /// <summary>Accepted as documented; the statements are those of the context's database server.</summary>
    public static void UseSqlite(this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true) =>
        configurator.LockStatementProvider = new SqliteLockStatementProvider(enableSchemaCaching);

    private static void Connect<TDbContext>(
        IReceiveEndpointConfigurator endpoint, OutboxConsumePipeSpecificationObserver<TDbContext> observer, Action<IOutboxOptionsConfigurator>? configure)
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
            if (services.FirstOrDefault(service => service.ServiceType == typeof(OutboxOwner<TDbContext>))?.ImplementationInstance is OutboxOwner<TDbContext> { Bus: var bus }
                && bus != typeof(TBus))
            {
                throw new ConfigurationException(
                    $"{typeof(TDbContext).Name} has its outbox on {bus.Name} and cannot have it on {typeof(TBus).Name} too; give each bus a context of its own.");
            }
            var options = new EntityFrameworkOutboxOptions<TDbContext>();
            configure?.Invoke(new Configurator<TBus, TDbContext>(services, options));

            services.TryAddSingleton(TimeProvider.System);
            services.TryAddSingleton(new OutboxOwner<TDbContext>(typeof(TBus)));
            services.AddSingleton(options);
            services.TryAddEnumerable(ServiceDescriptor.Singleton(typeof(IDbContextOptionsConfiguration<>), typeof(OutboxInterceptorConfiguration<>)));
            services.TryAddSingleton<InboxReader<TDbContext>>();
            services.TryAddSingleton<OutboxWriter<TDbContext>>();
            services.TryAddSingleton(provider => ActivatorUtilities.CreateInstance<BusOutboxDelivery<TDbContext>>(provider, BusOf(provider)));
            services.TryAddSingleton<OutboxBacklog<TDbContext>>();
            services.AddHostedService(provider => provider.GetRequiredService<OutboxBacklog<TDbContext>>());
            services.TryAddScoped<IOutboxContextFactory<TDbContext>, EntityFrameworkOutboxContextFactory<TDbContext>>();
            services.AddHostedService(provider => provider.GetRequiredService<BusOutboxDelivery<TDbContext>>());
        }

        private static IBusControl BusOf(IServiceProvider provider) =>
            typeof(TBus) == typeof(IBus) ? provider.GetRequiredService<IBusControl>() : provider.GetRequiredService<IBusInstance<TBus>>().BusControl;
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
