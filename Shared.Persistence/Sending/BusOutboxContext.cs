using System.Transactions;
using MassTransit.Clients;
using MassTransit.DependencyInjection;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Stores the messages of a unit of work outside a consumer, and has them delivered after its commit.</summary>
internal sealed class BusOutboxContext<TBus, TDbContext> : ScopedBusContext, OutboxSendContext, IDisposable
    where TBus : class, IBus
    where TDbContext : DbContext
{
    private readonly IServiceProvider _services;
    private readonly TimeProvider _clock;
    private readonly TDbContext _database;
    private List<OutboxMessage> _messages = [];
    private OutboxState? _state;
    private Guid? _savedInTransaction;

    public BusOutboxContext(TBus bus, IClientFactory clientFactory, IServiceProvider services)
    {
        _services = services;
        _clock = services.GetRequiredService<TimeProvider>();
        _database = services.GetRequiredService<TDbContext>();
        _database.SavingChanges += OnSaving;
        _database.SavedChanges += OnSaved;
        SendEndpointProvider = new OutboxSendEndpointProvider(this, bus);
        PublishEndpoint = new PublishEndpoint(new OutboxPublishEndpointProvider(this, (IPublishEndpointProvider)bus));
        // The caller awaits the answer to a request, so the request cannot wait for a save.
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
        if (IsUnitOver())
        {
            EndUnit();
            BeginUnit(now);
        }
        var message = MessageCapture.RowOf(context, now.UtcDateTime);
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

    // A unit of work ends with its save, or with the transaction that contains the save. Clearing the tracker after a failed save ends it
    // too, so that its messages do not join the next one.
    private bool IsUnitOver() =>
        _state is null || _database.Entry(_state).State == EntityState.Detached
        || (_savedInTransaction is not null && _savedInTransaction != _database.Database.CurrentTransaction?.TransactionId);

    // Messages sent after the transaction's last save are not stored yet, so they join the next unit. The others are detached, because a
    // rollback lets the database reuse their keys.
    private void EndUnit()
    {
        var unsaved = _messages.FindAll(message => _database.Entry(message).State == EntityState.Added);
        foreach (var saved in _messages.Except(unsaved).Concat<object?>([_state]).OfType<object>())
            _database.Entry(saved).State = EntityState.Detached;
        _messages = unsaved;
        _state = null;
        _savedInTransaction = null;
    }

    private void BeginUnit(DateTimeOffset now)
    {
        _state = new OutboxState { OutboxId = Guid.CreateVersion7(now), Created = now.UtcDateTime };
        _messages.ForEach(message => message.OutboxId = _state.OutboxId);
        _database.Add(_state);
    }

    private void OnSaving(object? sender, SavingChangesEventArgs e)
    {
        if (_state is null)
            return;
        if (IsUnitOver())
        {
            EndUnit();
            if (_messages.Count == 0)
                return;
            BeginUnit(_clock.GetUtcNow());
        }
        // This process holds the lease from the start, so no sweeper delivers the messages meanwhile.
        if (_database.Entry(_state!).State == EntityState.Added)
            _state!.LockId = Guid.CreateVersion7(_clock.GetUtcNow());
    }

    private void OnSaved(object? sender, SavedChangesEventArgs e)
    {
        if (_state is null || _database.Entry(_state).State != EntityState.Unchanged)
            return;
        var delivery = _services.GetRequiredService<OutboxDelivery<TDbContext>>();
        var outboxId = _state.OutboxId;
        OutboxMessage[] saved = [.. _messages.Where(message => _database.Entry(message).State == EntityState.Unchanged)];
        if (_database.Database.CurrentTransaction is { } transaction)
        {
            // The transaction may still roll back. Its later saves belong to the same unit of work.
            _savedInTransaction = transaction.TransactionId;
            OutboxScope.Of(_database)?.AfterCommit(transaction.TransactionId, () => delivery.Enqueue(outboxId, saved));
            return;
        }
        if ((_database.Database.GetEnlistedTransaction() ?? Transaction.Current) is { } ambient)
        {
            ambient.TransactionCompleted += (_, completed) =>
            {
                if (completed.Transaction?.TransactionInformation.Status == TransactionStatus.Committed)
                    delivery.Enqueue(outboxId, saved);
            };
        }
        else
        {
            delivery.Enqueue(outboxId, saved);
        }
        _messages = [];
        _state = null;
    }
}
