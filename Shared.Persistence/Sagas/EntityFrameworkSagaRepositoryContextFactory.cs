using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>
/// Loads a saga, passes it to its state machine and saves it. Inside the outbox, the outbox saves and commits; otherwise the repository has
/// its own transaction. A row lock makes concurrent changes wait, or a concurrency token detects them.
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
            await next.Send(new EntityFrameworkSagaRepositoryContext<TSaga, T>(context, database, options, SharedReaderFor(context)))
                .ConfigureAwait(false);
        });

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query, IPipe<SagaRepositoryQueryContext<TSaga, T>> next)
        where T : class =>
        InTransactionAsync(context, async () =>
        {
            await BeginToLockAsync(context).ConfigureAwait(false);
            // A fixed order keeps two messages that find the same sagas from deadlocking.
            var found = await options.For(database).Where(query.FilterExpression).OrderBy(saga => saga.CorrelationId)
                .Select(saga => saga.CorrelationId)
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

    // Without a lock or a transaction any context may read the row, so one query can serve several messages.
    private Func<Guid, Task<TSaga?>>? SharedReaderFor(ConsumeContext context) =>
        options is { ConcurrencyMode: ConcurrencyMode.Optimistic, Query: null } && IsInOutbox(context)
            && database.Database.CurrentTransaction is null
            && reader.CanRead(database) && !database.ChangeTracker.Entries<TSaga>().Any()
            ? reader.ReadAsync
            : null;

    private bool IsInOutbox(ConsumeContext context) =>
        context.TryGetPayload(out IOutboxTransaction? outbox) && ReferenceEquals(outbox.Database, database);

    // A lock lasts as long as its transaction. Inside the outbox, the outbox commits the transaction that begins here.
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
        // The repository never rolls back a part of a transaction, and a savepoint before each save would cost a round trip.
        database.Database.AutoSavepointsEnabled = false;
        await ExecutionStrategies.RunAsync(database, async () =>
        {
            try
            {
                await using var transaction = await database.Database.BeginTransactionAsync(options.IsolationLevel,
                    context.CancellationToken).ConfigureAwait(false);
                await work().ConfigureAwait(false);
                await database.SaveChangesAsync(context.CancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(context.CancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (Exception)
            {
                // The next try must load the saga again.
                database.ChangeTracker.Clear();
                throw;
            }
        }, context.CancellationToken).ConfigureAwait(false);
    }
}
