using System.Data;
using System.Data.Common;
using System.Runtime.CompilerServices;
using ConcertSaga.Shared.Persistence;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// A handler under the outbox runs without a transaction, and what its context tracks is committed together with the changes of other
/// messages. One that writes, or locks, by statements of its own gets a transaction of its own at the first such statement: its save,
/// <c>ExecuteUpdate</c>, <c>ExecuteDelete</c> or SQL. The outbox then commits everything there. Outside a handler it tells the bus outbox
/// when a caller's own transaction is committed.
/// </summary>
internal sealed class OutboxInterceptor : DbCommandInterceptor, ISaveChangesInterceptor, IDbTransactionInterceptor
{
    public static readonly OutboxInterceptor Instance = new();

    private static readonly ConditionalWeakTable<DbContext, object> Handling = [];

    private static readonly ConditionalWeakTable<DbContext, Tuple<Guid, Action?>> AfterCommits = [];

    private static readonly ConditionalWeakTable<DbContext, Func<Task>> Commits = [];

    private OutboxInterceptor()
    {
    }

    /// <summary>Whether a context's options carry it, which those of every context that is registered in the container do.</summary>
    public static bool IsIn(DbContext database) =>
        database.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.Contains(Instance) is true;

    /// <summary>From now on this context belongs to a handler.</summary>
    public static void Enter(DbContext database, IsolationLevel isolation) => Handling.AddOrUpdate(database, isolation);

    /// <summary>
    /// Runs when the context's present transaction is committed; never when it is not, nor when a part of it was undone. One action per
    /// transaction, the last one given.
    /// </summary>
    public static void AfterCommit(DbContext database, Action action)
    {
        var transaction = database.Database.CurrentTransaction!.TransactionId;
        if (!AfterCommits.TryGetValue(database, out var waiting) || waiting.Item1 != transaction || waiting.Item2 is not null)
            AfterCommits.AddOrUpdate(database, Tuple.Create<Guid, Action?>(transaction, action));
    }

    /// <summary>
    /// Commits the context's present transaction by this, which ends with the server's COMMIT, in the place of a statement and a round trip
    /// of its own. To everybody else it is a commit like any other.
    /// </summary>
    public static async Task CommitByAsync(DbContext database, Func<Task> commit)
    {
        Commits.AddOrUpdate(database, commit);
        try
        {
            await database.Database.CurrentTransaction!.CommitAsync().ConfigureAwait(false);
        }
        finally
        {
            Commits.Remove(database);
        }
    }

    async ValueTask<InterceptionResult> IDbTransactionInterceptor.TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken)
    {
        RefuseInHandler(eventData);
        if (eventData.Context is null || !Commits.TryGetValue(eventData.Context, out var commit))
            return result;
        await commit().ConfigureAwait(false);
        return InterceptionResult.Suppress();
    }

    InterceptionResult IDbTransactionInterceptor.TransactionCommitting(DbTransaction transaction, TransactionEventData eventData, InterceptionResult result)
    {
        RefuseInHandler(eventData);
        return result;
    }

    // What a handler commits by itself is committed without its inbox row, and would be done again by the next delivery.
    private static void RefuseInHandler(TransactionEventData eventData)
    {
        if (eventData.Context is { } database && Handling.TryGetValue(database, out _))
            throw new InvalidOperationException($"A handler under the outbox may begin a transaction of {database.GetType().Name}, but not commit it: the outbox commits it together with the inbox and the messages that were sent.");
    }

    void IDbTransactionInterceptor.RolledBackToSavepoint(DbTransaction transaction, TransactionEventData eventData) => Undone(eventData);

    Task IDbTransactionInterceptor.RolledBackToSavepointAsync(DbTransaction transaction, TransactionEventData eventData, CancellationToken cancellationToken)
    {
        Undone(eventData);
        return Task.CompletedTask;
    }

    // What is in the tables after that only the tables know; the sweeper looks there.
    private static void Undone(TransactionEventData eventData)
    {
        if (eventData.Context is { } database && AfterCommits.TryGetValue(database, out var waiting) && waiting.Item1 == eventData.TransactionId)
            AfterCommits.AddOrUpdate(database, Tuple.Create<Guid, Action?>(waiting.Item1, null));
    }

    void IDbTransactionInterceptor.TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) => Committed(eventData);

    Task IDbTransactionInterceptor.TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken)
    {
        Committed(eventData);
        return Task.CompletedTask;
    }

    private static void Committed(TransactionEndEventData eventData)
    {
        if (eventData.Context is null || !AfterCommits.TryGetValue(eventData.Context, out var waiting))
            return;
        AfterCommits.Remove(eventData.Context);
        // It may have waited for one that was given up.
        if (waiting.Item1 == eventData.TransactionId)
            waiting.Item2?.Invoke();
    }

    /// <summary>The handler has ended.</summary>
    public static void Leave(DbContext database) => Handling.Remove(database);

    ValueTask<InterceptionResult<int>> ISaveChangesInterceptor.SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken) =>
        Needs(eventData.Context, out var isolation) ? BeginAndSaveAsync(eventData.Context!, isolation, result, cancellationToken) : ValueTask.FromResult(result);

    InterceptionResult<int> ISaveChangesInterceptor.SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (Needs(eventData.Context, out var isolation))
            eventData.Context!.Database.BeginTransaction(isolation);
        return result;
    }

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default) =>
        Writes(eventData, out var isolation) ? BeginAsync(command, eventData.Context!, isolation, result, cancellationToken) : ValueTask.FromResult(result);

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default) =>
        Writes(eventData, out var isolation) ? BeginAsync(command, eventData.Context!, isolation, result, cancellationToken) : ValueTask.FromResult(result);

    public override ValueTask<InterceptionResult<object>> ScalarExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<object> result, CancellationToken cancellationToken = default) =>
        Writes(eventData, out var isolation) ? BeginAsync(command, eventData.Context!, isolation, result, cancellationToken) : ValueTask.FromResult(result);

    public override InterceptionResult<DbDataReader> ReaderExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result) =>
        Begin(command, eventData, result);

    public override InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<int> result) =>
        Begin(command, eventData, result);

    public override InterceptionResult<object> ScalarExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<object> result) =>
        Begin(command, eventData, result);

    private static bool Writes(CommandEventData eventData, out IsolationLevel isolation)
    {
        isolation = default;
        return eventData.CommandSource is CommandSource.ExecuteUpdate or CommandSource.ExecuteDelete or CommandSource.ExecuteSqlRaw or CommandSource.FromSqlQuery
            && Needs(eventData.Context, out isolation);
    }

    private static bool Needs(DbContext? database, out IsolationLevel isolation)
    {
        if (database is not null && Handling.TryGetValue(database, out var wanted) && database.Database.CurrentTransaction is null)
        {
            isolation = (IsolationLevel)wanted;
            return true;
        }
        isolation = default;
        return false;
    }

    private static async ValueTask<InterceptionResult<int>> BeginAndSaveAsync(
        DbContext database, IsolationLevel isolation, InterceptionResult<int> result, CancellationToken cancellationToken)
    {
        await database.Database.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false);
        return result;
    }

    private static async ValueTask<T> BeginAsync<T>(DbCommand command, DbContext database, IsolationLevel isolation, T result, CancellationToken cancellationToken)
    {
        var transaction = await database.Database.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false);
        command.Transaction = transaction.GetDbTransaction();
        return result;
    }

    private static T Begin<T>(DbCommand command, CommandEventData eventData, T result)
    {
        if (Writes(eventData, out var isolation))
            command.Transaction = eventData.Context!.Database.BeginTransaction(isolation).GetDbTransaction();
        return result;
    }
}

/// <summary>Puts the outbox's interceptors into the options of every context of the container, whatever class it is registered as.</summary>
internal sealed class OutboxInterceptorConfiguration<TDbContext> : IDbContextOptionsConfiguration<TDbContext>
    where TDbContext : DbContext
{
    private static readonly SqliteWriterGate Gate = new();

    public void Configure(IServiceProvider serviceProvider, DbContextOptionsBuilder optionsBuilder) => optionsBuilder.AddInterceptors(OutboxInterceptor.Instance, Gate);
}
