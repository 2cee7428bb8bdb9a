using System.Reflection;
using MassTransit.Clients;
using MassTransit.DependencyInjection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Registers bus outboxes, each under its context's type as a key. With one outbox on a bus, <see cref="IPublishEndpoint"/> without a key
/// uses it. With several the choice is ambiguous, so a missing key is an error and no message bypasses the outboxes.
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
            services.AddScoped<IScopedBusContextProvider<TBus>>(static provider =>
                provider.GetRequiredService<BusOutboxContextProvider<TBus, TDbContext>>());
            return;
        }
        services.AddScoped<IScopedBusContextProvider<TBus>, SeveralBusOutboxes<TBus>>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, BusOutboxCheck<TBus>>(provider =>
            new BusOutboxCheck<TBus>(services, provider.GetServices<BusOutbox>())));
    }

    /// <summary>Explains to a component that it must name an outbox.</summary>
    public static string MissingKey(string component, Type service, Type bus, IEnumerable<BusOutbox> outboxes)
    {
        var contexts = outboxes.Where(outbox => outbox.Bus == bus).Select(outbox => outbox.Context.Name).ToList();
        return $"{component} requests {service.Name} outside a consumer, but {string.Join(" and ", contexts)} each have a bus outbox. "
            + $"Choose one with [FromKeyedServices(typeof({contexts[0]}))], or use {bus.Name} for messages that need no outbox.";
    }

    private static ScopedBusContext ContextOf<TBus, TDbContext>(IServiceProvider provider)
        where TBus : class, IBus
        where TDbContext : DbContext =>
        provider.GetRequiredService<BusOutboxContextProvider<TBus, TDbContext>>().Context;
}

/// <summary>Records that a context has a bus outbox.</summary>
internal sealed record BusOutbox(Type Bus, Type Context);

/// <summary>
/// Provides the consumer's context inside a consumer. Elsewhere it allows only requests, which bypass the outbox because their caller
/// awaits the answer.
/// </summary>
internal sealed class SeveralBusOutboxes<TBus>(
    TBus bus, Bind<TBus, IClientFactory> clientFactory, Bind<TBus, IScopedConsumeContextProvider> busConsumeContext,
    IScopedConsumeContextProvider consumeContext, IEnumerable<BusOutbox> outboxes, IServiceProvider services)
    : IScopedBusContextProvider<TBus>, ScopedBusContext
    where TBus : class, IBus
{
    private ScopedBusContext? _context;

    public ScopedBusContext Context => _context ??=
        busConsumeContext.Value.HasContext ? new ConsumeContextScopedBusContext(busConsumeContext.Value.GetContext(), clientFactory.Value)
        : consumeContext.HasContext
            ? new ConsumeContextScopedBusContext<TBus>(bus, consumeContext.GetContext(), clientFactory.Value, services)
        : this;

    public ISendEndpointProvider SendEndpointProvider => throw Ambiguous(typeof(ISendEndpointProvider));

    public IPublishEndpoint PublishEndpoint => throw Ambiguous(typeof(IPublishEndpoint));

    public IScopedClientFactory ClientFactory =>
        field ??= new ScopedClientFactory(new ClientFactory(new ScopedClientFactoryContext(clientFactory.Value, services)), null);

    private InvalidOperationException Ambiguous(Type service) =>
        new(BusOutboxes.MissingKey("A component", service, typeof(TBus), outboxes));
}

/// <summary>
/// Fails the start if the constructor of a registered service requests an endpoint without a key. Requests at run time (a handler's
/// parameter, a service locator) fail with the same message.
/// </summary>
internal sealed class BusOutboxCheck<TBus>(IServiceCollection registered, IEnumerable<BusOutbox> outboxes) : IHostedLifecycleService
    where TBus : class, IBus
{
    private static readonly Type[] AmbiguousServices = typeof(TBus) == typeof(IBus)
        ? [typeof(IPublishEndpoint), typeof(ISendEndpointProvider)]
        : [typeof(Bind<TBus, IPublishEndpoint>), typeof(Bind<TBus, ISendEndpointProvider>)];

    // MassTransit creates these inside a consumer's scope, where the consumer's context provides the endpoints.
    private static readonly Type[] InsideConsumers = [typeof(IConsumer), typeof(ISaga), typeof(IStateMachineActivity), typeof(IFilter<>),
        typeof(IExecuteActivity<>), typeof(ICompensateActivity<>)];

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        var types = registered.Select(service => service.IsKeyedService ? service.KeyedImplementationType : service.ImplementationType);
        foreach (var type in types.OfType<Type>())
        {
            if ($"{type.Namespace}.".StartsWith("MassTransit.", StringComparison.Ordinal) || IsInsideConsumers(type))
                continue;
            var service = type.GetConstructors().SelectMany(constructor => constructor.GetParameters())
                .FirstOrDefault(parameter => AmbiguousServices.Contains(parameter.ParameterType)
                    && parameter.GetCustomAttribute<FromKeyedServicesAttribute>() is null)?.ParameterType;
            if (service is not null)
            {
                var requested = service.IsGenericType ? service.GetGenericArguments()[1] : service;
                throw new InvalidOperationException(BusOutboxes.MissingKey(type.Name, requested, typeof(TBus), outboxes));
            }
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
            || (kind.IsGenericTypeDefinition && type.GetInterfaces()
                .Any(other => other.IsGenericType && other.GetGenericTypeDefinition() == kind)));
}
