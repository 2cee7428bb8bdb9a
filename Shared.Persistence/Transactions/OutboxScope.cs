using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Holds the outbox's state for one context. <see cref="OutboxOptionsExtension"/> makes Entity Framework Core create one per context and
/// reset it when the context returns to a pool.
/// </summary>
internal sealed class OutboxScope : IResettableService
{
    private Guid _awaitedTransaction;
    private Action? _afterCommit;

    /// <summary>The isolation level of the transaction that a handler's first own statement begins; null outside a handler.</summary>
    public IsolationLevel? HandlerIsolation { get; private set; }

    /// <summary>Runs instead of the COMMIT that Entity Framework Core would send; null for an ordinary commit.</summary>
    public Func<Task>? CommitReplacement { get; private set; }

    /// <summary>Returns the scope of a context, or null if the context's options were made outside the container.</summary>
    public static OutboxScope? Of(DbContext? database) =>
        (database as IInfrastructure<IServiceProvider>)?.Instance.GetService<OutboxScope>();

    public void EnterHandler(IsolationLevel isolation) => HandlerIsolation = isolation;

    public void LeaveHandler() => HandlerIsolation = null;

    /// <summary>Commits the context's transaction with <paramref name="commit"/>, which sends the COMMIT itself.</summary>
    public async Task CommitByAsync(DbContext database, Func<Task> commit)
    {
        CommitReplacement = commit;
        try
        {
            await database.Database.CurrentTransaction!.CommitAsync().ConfigureAwait(false);
        }
        finally
        {
            CommitReplacement = null;
        }
    }

    /// <summary>
    /// Sets the action that runs after the commit of a transaction. A later action replaces an earlier one; after a rollback to a savepoint
    /// none is accepted.
    /// </summary>
    public void AfterCommit(Guid transaction, Action action)
    {
        if (_awaitedTransaction == transaction && _afterCommit is null)
            return;
        _awaitedTransaction = transaction;
        _afterCommit = action;
    }

    /// <summary>Runs the action that waits for this transaction.</summary>
    public void OnCommitted(Guid transaction)
    {
        // The action may belong to an earlier transaction that was rolled back.
        var action = _awaitedTransaction == transaction ? _afterCommit : null;
        Forget();
        action?.Invoke();
    }

    /// <summary>
    /// Drops the action after a rollback to a savepoint. Only the tables show which messages remain, so the sweeper delivers them.
    /// </summary>
    public void OnRolledBackToSavepoint(Guid transaction)
    {
        if (_awaitedTransaction == transaction)
            _afterCommit = null;
    }

    public void ResetState()
    {
        HandlerIsolation = null;
        CommitReplacement = null;
        Forget();
    }

    public Task ResetStateAsync(CancellationToken cancellationToken = default)
    {
        ResetState();
        return Task.CompletedTask;
    }

    private void Forget()
    {
        _awaitedTransaction = default;
        _afterCommit = null;
    }
}
