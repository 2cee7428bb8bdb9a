using MassTransit.Context;
using MassTransit.Middleware;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>How the sagas of one type are stored.</summary>
internal sealed class EntityFrameworkSagaOptions<TSaga>
    where TSaga : class, ISaga
{
    public Func<IQueryable<TSaga>, IQueryable<TSaga>> Customize { get; set; } = query => query;
}

/// <summary>
/// Loads a saga, hands it to its state machine and saves it: inside the outbox in the outbox's transaction, which saves and commits
/// everything at once, otherwise in a transaction of its own. Concurrent changes are found by the saga's concurrency token.
/// </summary>
internal sealed class EntityFrameworkSagaRepositoryContextFactory<TDbContext, TSaga>(TDbContext database, EntityFrameworkSagaOptions<TSaga> options)
    : ISagaRepositoryContextFactory<TSaga>, ILoadSagaRepositoryContextFactory<TSaga>, IQuerySagaRepositoryContextFactory<TSaga>
    where TDbContext : DbContext
    where TSaga : class, ISaga
{
    public Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<TSaga, T>> next)
        where T : class =>
        InTransactionAsync(context, () => next.Send(new EntityFrameworkSagaRepositoryContext<TSaga, T>(context, database, options)));

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query, IPipe<SagaRepositoryQueryContext<TSaga, T>> next)
        where T : class =>
        InTransactionAsync(context, async () =>
        {
            var found = await options.Customize(database.Set<TSaga>()).Where(query.FilterExpression).Select(saga => saga.CorrelationId)
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

    private async Task InTransactionAsync(ConsumeContext context, Func<Task> work)
    {
        if (context.TryGetPayload(out IOutboxTransaction? outbox) && ReferenceEquals(outbox.Database, database))
        {
            await work().ConfigureAwait(false);
            return;
        }
        await using var transaction = await database.Database.BeginTransactionAsync(context.CancellationToken).ConfigureAwait(false);
        await work().ConfigureAwait(false);
        await database.SaveChangesAsync(context.CancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(context.CancellationToken).ConfigureAwait(false);
    }
}

internal sealed class EntityFrameworkSagaRepositoryContext<TSaga, TMessage>(
    ConsumeContext<TMessage> context, DbContext database, EntityFrameworkSagaOptions<TSaga> options)
    : ConsumeContextScope<TMessage>(context), SagaRepositoryContext<TSaga, TMessage>
    where TSaga : class, ISaga
    where TMessage : class
{
    private readonly ConsumeContext<TMessage> _context = context;

    public Task<SagaConsumeContext<TSaga, TMessage>> Add(TSaga instance) =>
        CreateSagaConsumeContext(_context, instance, SagaConsumeContextMode.Add);

    public async Task<SagaConsumeContext<TSaga, TMessage>> Insert(TSaga instance)
    {
        // Inserted before the behaviour runs, so that a row that is there already wins.
        if (await Find(instance.CorrelationId).ConfigureAwait(false) is not null)
            return null!;
        database.Add(instance);
        await database.SaveChangesAsync(_context.CancellationToken).ConfigureAwait(false);
        return await CreateSagaConsumeContext(_context, instance, SagaConsumeContextMode.Insert).ConfigureAwait(false);
    }

    public async Task<SagaConsumeContext<TSaga, TMessage>> Load(Guid correlationId) =>
        await Find(correlationId).ConfigureAwait(false) is { } instance
            ? await CreateSagaConsumeContext(_context, instance, SagaConsumeContextMode.Load).ConfigureAwait(false)
            : null!;

    public Task Save(SagaConsumeContext<TSaga> context)
    {
        database.Add(context.Saga);
        return Task.CompletedTask;
    }

    // The loaded instance is tracked, so its changes go with the save.
    public Task Update(SagaConsumeContext<TSaga> context) => Task.CompletedTask;

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

    private Task<TSaga?> Find(Guid correlationId) =>
        options.Customize(database.Set<TSaga>()).FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, _context.CancellationToken);
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
