using MassTransit.Context;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>Loads, inserts and saves the sagas of one consumed message.</summary>
internal sealed class EntityFrameworkSagaRepositoryContext<TSaga, TMessage>(
    ConsumeContext<TMessage> context, DbContext database, EntityFrameworkSagaOptions<TSaga> options,
    Func<Guid, Task<TSaga?>>? findShared = null)
    : ConsumeContextScope<TMessage>(context), SagaRepositoryContext<TSaga, TMessage>
    where TSaga : class, ISaga
    where TMessage : class
{
    private const string BeforeInsert = "BeforeInsert";

    private readonly ConsumeContext<TMessage> _context = context;

    public Task<SagaConsumeContext<TSaga, TMessage>> Add(TSaga instance) =>
        CreateSagaConsumeContext(_context, instance, SagaConsumeContextMode.Add);

    // Inserts before the behavior runs: of two concurrent first messages, one inserts and the other waits and then finds the row.
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
            // The reason does not matter here: if no row exists, the same insert fails again at the final save.
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

    // The context tracks the loaded instance, so the next save includes its changes.
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

    public Task<SagaConsumeContext<TSaga, T>> CreateSagaConsumeContext<T>(
        ConsumeContext<T> consumeContext, TSaga instance, SagaConsumeContextMode mode)
        where T : class =>
        Task.FromResult<SagaConsumeContext<TSaga, T>>(new DefaultSagaConsumeContext<TSaga, T>(consumeContext, instance));

    private async Task<TSaga?> Find(Guid correlationId)
    {
        if (findShared is null || database.Database.CurrentTransaction is not null)
            return await options.For(database).FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, _context.CancellationToken)
                .ConfigureAwait(false);
        // The insert has already loaded this saga.
        if (database.ChangeTracker.Entries<TSaga>().FirstOrDefault(entry => entry.Entity.CorrelationId == correlationId) is { } known)
            return known.Entity;
        var found = await findShared(correlationId).ConfigureAwait(false);
        if (found is not null)
            database.Entry(found).State = EntityState.Unchanged;
        return found;
    }
}
