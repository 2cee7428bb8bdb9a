using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Observes the commits of a context. It rejects a handler's own commit, lets a group commit send the COMMIT with its last statements, and
/// tells the bus outbox that a caller's transaction was committed.
/// </summary>
internal sealed class CommitInterceptor : DbTransactionInterceptor
{
    public static readonly CommitInterceptor Instance = new();

    private CommitInterceptor()
    {
    }

    public override InterceptionResult TransactionCommitting(DbTransaction transaction, TransactionEventData eventData,
        InterceptionResult result)
    {
        RejectInHandler(eventData);
        return result;
    }

    public override async ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        RejectInHandler(eventData);
        if (OutboxScope.Of(eventData.Context)?.CommitReplacement is not { } commit)
            return result;
        await commit().ConfigureAwait(false);
        return InterceptionResult.Suppress();
    }

    public override void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) =>
        OutboxScope.Of(eventData.Context)?.OnCommitted(eventData.TransactionId);

    public override Task TransactionCommittedAsync(
        DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        OutboxScope.Of(eventData.Context)?.OnCommitted(eventData.TransactionId);
        return Task.CompletedTask;
    }

    public override void RolledBackToSavepoint(DbTransaction transaction, TransactionEventData eventData) =>
        OutboxScope.Of(eventData.Context)?.OnRolledBackToSavepoint(eventData.TransactionId);

    public override Task RolledBackToSavepointAsync(
        DbTransaction transaction, TransactionEventData eventData, CancellationToken cancellationToken = default)
    {
        OutboxScope.Of(eventData.Context)?.OnRolledBackToSavepoint(eventData.TransactionId);
        return Task.CompletedTask;
    }

    // A commit without the inbox entry would let the next delivery repeat the work.
    private static void RejectInHandler(TransactionEventData eventData)
    {
        if (OutboxScope.Of(eventData.Context)?.HandlerIsolation is null)
            return;
        throw new InvalidOperationException(
            $"A handler under the outbox cannot commit a transaction of {eventData.Context!.GetType().Name}. "
            + "Leave the commit to the outbox, which adds the inbox entry and the sent messages.");
    }
}
