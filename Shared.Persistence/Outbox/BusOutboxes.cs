using System.Reflection;
using MassTransit.Clients;
using MassTransit.DependencyInjection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Who gets which bus outbox. Each context has its own, under its type as a key. With one on a bus, whoever publishes outside a consumer gets
/// that one; with several nobody can know which is meant, so asking without a key is an error, and not a message that bypasses them.
/// </summary>
internal static class BusOutboxes
{
    public static void Add<TBus, TDbContext>(IServiceCollection services)
        where TBus : class, IBus
        where TDbContext : DbContext
    {
        if (services.Any(service => service.ServiceType == typeof(BusOutboxContextProvider<TBus, TDbContext>)))
            return;
        services.AddScoped<BusOutboxContextProvider<TBus, TDbContext>>();
        services.AddSingleton(new BusOutbox(typeof(TBus), typeof(TDbContext)));
        services.AddKeyedScoped(typeof(TDbContext), static (provider, _) => ContextOf<TBus, TDbContext>(provider).PublishEndpoint);
        services.AddKeyedScoped(typeof(TDbContext), static (provider, _) => ContextOf<TBus, TDbContext>(provider).SendEndpointProvider);

        services.RemoveAll<IScopedBusContextProvider<TBus>>();
        if (services.Count(service => service.ImplementationInstance is BusOutbox outbox && outbox.Bus == typeof(TBus)) == 1)
        {
            services.AddScoped<IScopedBusContextProvider<TBus>>(static provider => provider.GetRequiredService<BusOutboxContextProvider<TBus, TDbContext>>());
            return;
        }
        services.AddScoped<IScopedBusContextProvider<TBus>, SeveralBusOutboxes<TBus>>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, BusOutboxCheck<TBus>>(provider =>
            new BusOutboxCheck<TBus>(services, provider.GetServices<BusOutbox>())));
    }

    /// <summary>What somebody is told who asks without a key.</summary>
    public static string Ask(string who, Type service, Type bus, IEnumerable<BusOutbox> outboxes)
    {
        var contexts = outboxes.Where(outbox => outbox.Bus == bus).Select(outbox => outbox.Context.Name).ToList();
        return $"{who} asks for {service.Name} outside a consumer, and there are bus outboxes of {string.Join(" and ", contexts)}; say which with [FromKeyedServices(typeof({contexts[0]}))], or take {bus.Name} for messages that need no outbox.";
    }

    private static ScopedBusContext ContextOf<TBus, TDbContext>(IServiceProvider provider)
        where TBus : class, IBus
        where TDbContext : DbContext =>
        provider.GetRequiredService<BusOutboxContextProvider<TBus, TDbContext>>().Context;
}

/// <summary>A bus outbox that was registered.</summary>
internal sealed record BusOutbox(Type Bus, Type Context);

/// <summary>Inside a consumer, the consumer's context; elsewhere nothing but requests, whose answers are awaited and so cannot join a save.</summary>
internal sealed class SeveralBusOutboxes<TBus>(
    TBus bus, Bind<TBus, IClientFactory> clientFactory, Bind<TBus, IScopedConsumeContextProvider> busConsumeContext,
    IScopedConsumeContextProvider consumeContext, IEnumerable<BusOutbox> outboxes, IServiceProvider services) : IScopedBusContextProvider<TBus>, ScopedBusContext
    where TBus : class, IBus
{
    private ScopedBusContext? _context;

    public ScopedBusContext Context => _context ??=
        busConsumeContext.Value.HasContext ? new ConsumeContextScopedBusContext(busConsumeContext.Value.GetContext(), clientFactory.Value)
        : consumeContext.HasContext ? new ConsumeContextScopedBusContext<TBus>(bus, consumeContext.GetContext(), clientFactory.Value, services)
        : this;

    public ISendEndpointProvider SendEndpointProvider => throw Ambiguous(typeof(ISendEndpointProvider));

    public IPublishEndpoint PublishEndpoint => throw Ambiguous(typeof(IPublishEndpoint));

    public IScopedClientFactory ClientFactory => field ??= new ScopedClientFactory(new ClientFactory(new ScopedClientFactoryContext(clientFactory.Value, services)), null);

    private InvalidOperationException Ambiguous(Type service) => new(BusOutboxes.Ask("Somebody", service, typeof(TBus), outboxes));
}

/// <summary>
/// Finds at the start who would ask without a key: whatever the container makes and whose constructor says so. What asks at run time (a
/// request handler's parameter, a service locator) gets the same answer then.
/// </summary>
internal sealed class BusOutboxCheck<TBus>(IServiceCollection registered, IEnumerable<BusOutbox> outboxes) : IHostedLifecycleService
    where TBus : class, IBus
{
    private static readonly Type[] Asked = typeof(TBus) == typeof(IBus)
        ? [typeof(IPublishEndpoint), typeof(ISendEndpointProvider)]
        : [typeof(Bind<TBus, IPublishEndpoint>), typeof(Bind<TBus, ISendEndpointProvider>)];

    // They are made inside a consumer's scope, where the consumer's context answers.
    private static readonly Type[] InsideConsumers = [typeof(IConsumer), typeof(ISaga), typeof(IStateMachineActivity), typeof(IFilter<>),
        typeof(IExecuteActivity<>), typeof(ICompensateActivity<>)];

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        foreach (var type in registered.Select(service => service.IsKeyedService ? service.KeyedImplementationType : service.ImplementationType).OfType<Type>())
        {
            if ($"{type.Namespace}.".StartsWith("MassTransit.", StringComparison.Ordinal) || IsInsideConsumers(type))
                continue;
            var service = type.GetConstructors().SelectMany(constructor => constructor.GetParameters())
                .FirstOrDefault(parameter => Asked.Contains(parameter.ParameterType) && parameter.GetCustomAttribute<FromKeyedServicesAttribute>() is null)?.ParameterType;
            if (service is not null)
                throw new InvalidOperationException(BusOutboxes.Ask(type.Name, service.IsGenericType ? service.GetGenericArguments()[1] : service, typeof(TBus), outboxes));
        }
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static bool IsInsideConsumers(Type type) =>
        InsideConsumers.Any(kind => kind.IsAssignableFrom(type)
            || (kind.IsGenericTypeDefinition && type.GetInterfaces().Any(other => other.IsGenericType && other.GetGenericTypeDefinition() == kind)));
}
