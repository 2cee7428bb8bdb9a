using System.Collections.Concurrent;
using System.Data;
using MassTransit.Context;
using MassTransit.Middleware;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>How the sagas of one type are stored.</summary>
internal sealed class EntityFrameworkSagaOptions<TSaga>
    where TSaga : class, ISaga
{
    private readonly ConcurrentDictionary<Type, string> _lockTags = new();

    public Func<IQueryable<TSaga>, IQueryable<TSaga>>? Query { get; set; }

    public ConcurrencyMode ConcurrencyMode { get; set; } = ConcurrencyMode.Pessimistic;

    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.ReadCommitted;

    public ILockStatementProvider? LockStatementProvider { get; set; }

    /// <summary>Adds what was asked for to a query of sagas.</summary>
    public IQueryable<TSaga> Customize(IQueryable<TSaga> sagas) => Query?.Invoke(sagas) ?? sagas;

    /// <summary>The sagas as a consumer loads them: locked, unless the mode is optimistic.</summary>
    public IQueryable<TSaga> For(DbContext database)
    {
        if (ConcurrencyMode != ConcurrencyMode.Pessimistic)
            return Customize(database.Set<TSaga>());
        var tag = _lockTags.GetOrAdd(database.GetType(), static (_, given) => RowLocks.TagFor(given.database, typeof(TSaga), given.LockStatementProvider),
            (database, LockStatementProvider));
        return Customize(database.Set<TSaga>().TagWith(tag));
    }
}

/// <summary>
/// Loads a saga, hands it to its state machine and saves it: inside the outbox in the outbox's transaction, which saves and commits
/// everything at once, otherwise in a transaction of its own. Concurrent changes wait for the row's lock, or are found by the saga's
/// concurrency token.
/// </summary>
internal sealed class EntityFrameworkSagaRepositoryContextFactory<TDbContext, TSaga>(
    TDbContext database, EntityFrameworkSagaOptions<TSaga> options, SagaReader<TDbContext, TSaga> reader)
    : ISagaRepositoryContextFactory<TSaga>, ILoadSagaRepositoryContextFactory<TSaga>, IQuerySagaRepositoryContextFactory<TSaga>
    where TDbContext : DbContext
    where TSaga : class, ISaga
{
    public Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<TSaga, T>> next)
        where T : class =>
        InTransactionAsync(context, async () =>
        {
            await BeginToLockAsync(context).ConfigureAwait(false);
            await next.Send(new EntityFrameworkSagaRepositoryContext<TSaga, T>(context, database, options, FindTogetherAsync(context))).ConfigureAwait(false);
        });

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query, IPipe<SagaRepositoryQueryContext<TSaga, T>> next)
        where T : class =>
        InTransactionAsync(context, async () =>
        {
            await BeginToLockAsync(context).ConfigureAwait(false);
            // In one order, so that two messages that find the same sagas do not lock each other out.
            var found = await options.For(database).Where(query.FilterExpression).OrderBy(saga => saga.CorrelationId).Select(saga => saga.CorrelationId)
                .ToListAsync(context.CancellationToken).ConfigureAwait(false);
            var repository = new EntityFrameworkSagaRepositoryContext<TSaga, T>(context, database, options);
            await next.Send(new DefaultSagaRepositoryQueryContext<TSaga, T>(repository, found)).ConfigureAwait(false);
        });

    public Task<T> Execute<T>(Func<LoadSagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class =>
        asyncMethod(new EntityFrameworkSagaReadContext<TSaga>(database, options, cancellationToken));

    public Task<T> Execute<T>(Func<QuerySagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class =>
        asyncMethod(new EntityFrameworkSagaReadContext<TSaga>(database, options, cancellationToken));

    public void Probe(ProbeContext context) => context.Add("persistence", "entity-framework-core");

    // Without a lock and a transaction it does not matter who reads the row, so that it can be read together with those of other messages.
    private Func<Guid, Task<TSaga?>>? FindTogetherAsync(ConsumeContext context) =>
        options is { ConcurrencyMode: ConcurrencyMode.Optimistic, Query: null } && IsInOutbox(context) && database.Database.CurrentTransaction is null
            && reader.CanRead(database) && !database.ChangeTracker.Entries<TSaga>().Any()
            ? reader.ReadAsync
            : null;

    private bool IsInOutbox(ConsumeContext context) =>
        context.TryGetPayload(out IOutboxTransaction? outbox) && ReferenceEquals(outbox.Database, database);

    // A lock lasts as long as its transaction. Inside the outbox it is not committed here: the outbox commits what it finds.
    private async Task BeginToLockAsync(ConsumeContext context)
    {
        if (options.ConcurrencyMode == ConcurrencyMode.Pessimistic && database.Database.CurrentTransaction is null)
            await database.Database.BeginTransactionAsync(options.IsolationLevel, context.CancellationToken).ConfigureAwait(false);
    }

    private async Task InTransactionAsync(ConsumeContext context, Func<Task> work)
    {
        if (context.TryGetPayload(out IOutboxTransaction? outbox) && ReferenceEquals(outbox.Database, database))
        {
            await outbox.AttemptAsync(work).ConfigureAwait(false);
            return;
        }
        // The transaction is undone as a whole; a savepoint before each save would cost round trips for nothing.
        database.Database.AutoSavepointsEnabled = false;
        await using var transaction = await database.Database.BeginTransactionAsync(options.IsolationLevel, context.CancellationToken).ConfigureAwait(false);
        await work().ConfigureAwait(false);
        await database.SaveChangesAsync(context.CancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(context.CancellationToken).ConfigureAwait(false);
    }
}

internal sealed class EntityFrameworkSagaRepositoryContext<TSaga, TMessage>(
    ConsumeContext<TMessage> context, DbContext database, EntityFrameworkSagaOptions<TSaga> options, Func<Guid, Task<TSaga?>>? findTogether = null)
    : ConsumeContextScope<TMessage>(context), SagaRepositoryContext<TSaga, TMessage>
    where TSaga : class, ISaga
    where TMessage : class
{
    private const string BeforeInsert = "BeforeInsert";

    private readonly ConsumeContext<TMessage> _context = context;

    public Task<SagaConsumeContext<TSaga, TMessage>> Add(TSaga instance) =>
        CreateSagaConsumeContext(_context, instance, SagaConsumeContextMode.Add);

    // Inserted before the behaviour runs: of two first messages, one inserts and the other waits for it and then finds its row.
    public async Task<SagaConsumeContext<TSaga, TMessage>> Insert(TSaga instance)
    {
        if (await Find(instance.CorrelationId).ConfigureAwait(false) is not null)
            return null!;
        var transaction = database.Database.CurrentTransaction
            ?? await database.Database.BeginTransactionAsync(options.IsolationLevel, _context.CancellationToken).ConfigureAwait(false);
        await transaction.CreateSavepointAsync(BeforeInsert, _context.CancellationToken).ConfigureAwait(false);
        RowVersions.Advance(database.Add(instance));
        try
        {
            await database.SaveChangesAsync(_context.CancellationToken).ConfigureAwait(false);
        }
        catch (DbUpdateException)
        {
            // Whatever the reason was: where no row is found now, the same insert fails once more, at the end.
            await transaction.RollbackToSavepointAsync(BeforeInsert, _context.CancellationToken).ConfigureAwait(false);
            database.Entry(instance).State = EntityState.Detached;
            return null!;
        }
        await transaction.ReleaseSavepointAsync(BeforeInsert, _context.CancellationToken).ConfigureAwait(false);
        return await CreateSagaConsumeContext(_context, instance, SagaConsumeContextMode.Insert).ConfigureAwait(false);
    }

    public async Task<SagaConsumeContext<TSaga, TMessage>> Load(Guid correlationId) =>
        await Find(correlationId).ConfigureAwait(false) is { } instance
            ? await CreateSagaConsumeContext(_context, instance, SagaConsumeContextMode.Load).ConfigureAwait(false)
            : null!;

    public Task Save(SagaConsumeContext<TSaga> context)
    {
        RowVersions.Advance(database.Add(context.Saga));
        return Task.CompletedTask;
    }

    // The loaded instance is tracked, so its changes go with the save.
    public Task Update(SagaConsumeContext<TSaga> context)
    {
        RowVersions.Advance(database, context.Saga);
        return Task.CompletedTask;
    }

    public Task Delete(SagaConsumeContext<TSaga> context)
    {
        database.Remove(context.Saga);
        return Task.CompletedTask;
    }

    public Task Discard(SagaConsumeContext<TSaga> context) => Task.CompletedTask;

    public Task Undo(SagaConsumeContext<TSaga> context)
    {
        database.Entry(context.Saga).State = EntityState.Detached;
        return Task.CompletedTask;
    }

    public Task<SagaConsumeContext<TSaga, T>> CreateSagaConsumeContext<T>(ConsumeContext<T> consumeContext, TSaga instance, SagaConsumeContextMode mode)
        where T : class =>
        Task.FromResult<SagaConsumeContext<TSaga, T>>(new DefaultSagaConsumeContext<TSaga, T>(consumeContext, instance));

    private async Task<TSaga?> Find(Guid correlationId)
    {
        if (findTogether is null || database.Database.CurrentTransaction is not null)
            return await options.For(database).FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, _context.CancellationToken).ConfigureAwait(false);
        // Looked for already, to be inserted where it was not there.
        if (database.ChangeTracker.Entries<TSaga>().FirstOrDefault(entry => entry.Entity.CorrelationId == correlationId) is { } known)
            return known.Entity;
        var found = await findTogether(correlationId).ConfigureAwait(false);
        if (found is not null)
            database.Entry(found).State = EntityState.Unchanged;
        return found;
    }
}

internal sealed class EntityFrameworkSagaReadContext<TSaga>(DbContext database, EntityFrameworkSagaOptions<TSaga> options, CancellationToken cancellationToken)
    : BasePipeContext(cancellationToken), LoadSagaRepositoryContext<TSaga>, QuerySagaRepositoryContext<TSaga>
    where TSaga : class, ISaga
{
    public Task<TSaga> Load(Guid correlationId) =>
        options.Customize(database.Set<TSaga>()).AsNoTracking().FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, CancellationToken)!;

    public async Task<SagaRepositoryQueryContext<TSaga>> Query(ISagaQuery<TSaga> query, CancellationToken cancellationToken = default)
    {
        var found = await database.Set<TSaga>().AsNoTracking().Where(query.FilterExpression).Select(saga => saga.CorrelationId)
            .ToListAsync(cancellationToken).ConfigureAwait(false);
        return new DefaultSagaRepositoryQueryContext<TSaga>(this, found);
    }
}
