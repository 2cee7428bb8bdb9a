using System.Runtime.ExceptionServices;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Runs units of work inside a context's execution strategy, such as <c>EnableRetryOnFailure</c>. Entity Framework Core then allows a
/// transaction only inside the strategy, which may run the unit again. Without a strategy these methods just run the unit.
/// </summary>
internal static class ExecutionStrategies
{
    /// <summary>Runs a unit until it succeeds or the strategy gives up. Each try must start from a clean state.</summary>
    public static Task<T> RunAsync<T>(DbContext database, Func<Task<T>> unit, CancellationToken cancellationToken)
    {
        var strategy = database.Database.CreateExecutionStrategy();
        return strategy.RetriesOnFailure ? strategy.ExecuteAsync(unit, static (run, _) => run(), cancellationToken) : unit();
    }

    /// <summary>
    /// Runs work inside the strategy, but only once, and rethrows a failure. The caller's own strategy decides about the next try; two
    /// nested strategies would multiply their tries.
    /// </summary>
    public static async Task RunOnceAsync(DbContext database, Func<Task> work)
    {
        var strategy = database.Database.CreateExecutionStrategy();
        if (!strategy.RetriesOnFailure)
        {
            await work().ConfigureAwait(false);
            return;
        }
        var failure = await strategy.ExecuteAsync(async () =>
        {
            try
            {
                await work().ConfigureAwait(false);
                return null;
            }
            catch (Exception exception)
            {
                return ExceptionDispatchInfo.Capture(exception);
            }
        }).ConfigureAwait(false);
        failure?.Throw();
    }

    /// <summary>Runs repeatable statements in a transaction of their own.</summary>
    public static Task InTransactionAsync(DbContext database, System.Data.IsolationLevel isolation, Func<Task> statements,
        CancellationToken cancellationToken) =>
        RunAsync(database, async () =>
        {
            await using var transaction = await database.Database.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false);
            await statements().ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }, cancellationToken);
}
