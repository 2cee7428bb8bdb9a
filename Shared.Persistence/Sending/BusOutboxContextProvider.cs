using MassTransit.DependencyInjection;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Provides the consumer's context inside a consumer, and the bus outbox elsewhere. Its messages become rows of the scope's
/// <typeparamref name="TDbContext"/> and join its next save.
/// </summary>
internal sealed class BusOutboxContextProvider<TBus, TDbContext>(
    TBus bus, Bind<TBus, IClientFactory> clientFactory, Bind<TBus, IScopedConsumeContextProvider> busConsumeContext,
    IScopedConsumeContextProvider consumeContext, IServiceProvider services) : IScopedBusContextProvider<TBus>, IDisposable
    where TBus : class, IBus
    where TDbContext : DbContext
{
    private BusOutboxContext<TBus, TDbContext>? _outbox;
    private ScopedBusContext? _context;

    public ScopedBusContext Context => _context ??=
        busConsumeContext.Value.HasContext ? new ConsumeContextScopedBusContext(busConsumeContext.Value.GetContext(), clientFactory.Value)
        : consumeContext.HasContext
            ? new ConsumeContextScopedBusContext<TBus>(bus, consumeContext.GetContext(), clientFactory.Value, services)
        : _outbox = new BusOutboxContext<TBus, TDbContext>(bus, clientFactory.Value, services);

    public void Dispose() => _outbox?.Dispose();
}
