using System.Transactions;
using MassTransit.Clients;
using MassTransit.DependencyInjection;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Inside a consumer, the consumer's context; elsewhere the bus outbox, whose messages become rows of the scope's
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
        : consumeContext.HasContext ? new ConsumeContextScopedBusContext<TBus>(bus, consumeContext.GetContext(), clientFactory.Value, services)
        : _outbox = new BusOutboxContext<TBus, TDbContext>(bus, clientFactory.Value, services);

    public void Dispose() => _outbox?.Dispose();
}

/// <summary>One unit of work outside a consumer.</summary>
internal sealed class BusOutboxContext<TBus, TDbContext> : ScopedBusContext, OutboxSendContext, IDisposable
    where TBus : class, IBus
    where TDbContext : DbContext
{
    private readonly IServiceProvider _services;
    private readonly TimeProvider _clock;
    private readonly TDbContext _database;
    private List<OutboxMessage> _messages = [];
    private OutboxState? _state;
    private Guid? _savedIn;

    public BusOutboxContext(TBus bus, IClientFactory clientFactory, IServiceProvider services)
    {
        _services = services;
        _clock = services.GetRequiredService<TimeProvider>();
        _database = services.GetRequiredService<TDbContext>();
        _database.SavingChanges += OnSaving;
        _database.SavedChanges += OnSaved;
        SendEndpointProvider = new OutboxSendEndpointProvider(this, bus);
        PublishEndpoint = new PublishEndpoint(new OutboxPublishEndpointProvider(this, (IPublishEndpointProvider)bus));
        // A request's answer is awaited, so a request cannot wait for a save.
        ClientFactory = new ScopedClientFactory(new ClientFactory(new ScopedClientFactoryContext(clientFactory, services)), null);
    }

    public ISendEndpointProvider SendEndpointProvider { get; }

    public IPublishEndpoint PublishEndpoint { get; }

    public IScopedClientFactory ClientFactory { get; }

    public object? GetService(Type serviceType) => _services.GetService(serviceType);

    public Task AddSend<T>(SendContext<T> context)
        where T : class
    {
        var now = _clock.GetUtcNow();
        if (IsOver())
        {
            End();
            Begin(now);
        }
        var message = OutboxMessages.Capture(context, now.UtcDateTime);
        message.OutboxId = _state!.OutboxId;
        _messages.Add(message);
        _database.Add(message);
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        _database.SavingChanges -= OnSaving;
        _database.SavedChanges -= OnSaved;
    }

    // A unit of work ends with the save, or with the transaction it was saved in, whichever way that ended. One that was given up (the tracker
    // was cleared after a failed save) does not leak into the next one.
    private bool IsOver() =>
        _state is null || _database.Entry(_state).State == EntityState.Detached
        || (_savedIn is not null && _savedIn != _database.Database.CurrentTransaction?.TransactionId);

    // What was sent after the last save in a transaction that has ended was saved nowhere yet. The others are of no use any more, and where they
    // were rolled back their keys may be given again.
    private void End()
    {
        var unsaved = _messages.FindAll(message => _database.Entry(message).State == EntityState.Added);
        foreach (var saved in _messages.Except(unsaved).Concat<object?>([_state]).OfType<object>())
            _database.Entry(saved).State = EntityState.Detached;
        (_messages, _state, _savedIn) = (unsaved, null, null);
    }

    private void Begin(DateTimeOffset now)
    {
        _state = new OutboxState { OutboxId = Guid.CreateVersion7(now), Created = now.UtcDateTime };
        _messages.ForEach(message => message.OutboxId = _state.OutboxId);
        _database.Add(_state);
    }

    private void OnSaving(object? sender, SavingChangesEventArgs e)
    {
        if (_state is null)
            return;
        if (IsOver())
        {
            End();
            if (_messages.Count == 0)
                return;
            Begin(_clock.GetUtcNow());
        }
        // Taken by this process from the start: nobody else delivers it while the lease runs.
        if (_database.Entry(_state!).State == EntityState.Added)
            _state!.LockId = Guid.CreateVersion7(_clock.GetUtcNow());
    }

    private void OnSaved(object? sender, SavedChangesEventArgs e)
    {
        if (_state is null || _database.Entry(_state).State != EntityState.Unchanged)
            return;
        var (delivery, outboxId) = (_services.GetRequiredService<BusOutboxDelivery<TDbContext>>(), _state.OutboxId);
        OutboxMessage[] saved = [.. _messages.Where(message => _database.Entry(message).State == EntityState.Unchanged)];
        if (_database.Database.CurrentTransaction is { } transaction)
        {
            // The commit is still to come, if it comes. What the transaction saves later belongs to the same unit of work.
            _savedIn = transaction.TransactionId;
            OutboxInterceptor.AfterCommit(_database, () => delivery.Deliver(outboxId, saved));
            return;
        }
        if ((_database.Database.GetEnlistedTransaction() ?? Transaction.Current) is { } ambient)
        {
            ambient.TransactionCompleted += (_, completed) =>
            {
                if (completed.Transaction?.TransactionInformation.Status == TransactionStatus.Committed)
                    delivery.Deliver(outboxId, saved);
            };
        }
        else
        {
            delivery.Deliver(outboxId, saved);
        }
        (_messages, _state) = ([], null);
    }
}
