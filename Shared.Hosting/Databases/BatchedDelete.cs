using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>Deletes many rows without holding up the others.</summary>
public static class BatchedDelete
{
    /// <summary>
    /// Deletes batches, each in a new context and a transaction, until one is smaller than the maximum. Rests after each.
    /// </summary>
    /// <param name="scopes">Creates the contexts.</param>
    /// <param name="clock">Times the batches and the rests.</param>
    /// <param name="maxBatch">The maximum number of rows in a batch.</param>
    /// <param name="deleteBatch">Deletes one batch, and returns its number of rows.</param>
    /// <param name="cancellationToken">Stops between two batches, or rolls the current one back.</param>
    /// <returns>The number of deleted rows.</returns>
    public static async Task<int> DeleteInBatchesAsync<TContext>(
        this IServiceScopeFactory scopes, TimeProvider clock, int maxBatch, Func<TContext, Task<int>> deleteBatch,
        CancellationToken cancellationToken)
        where TContext : DbContext
    {
        int total = 0, deleted;
        do
        {
            deleted = await clock.ThenRestAsync(() => DeleteAsync(scopes, deleteBatch, cancellationToken), cancellationToken);
            total += deleted;
        }
        while (deleted == maxBatch);
        return total;
    }

    private static async Task<int> DeleteAsync<TContext>(
        IServiceScopeFactory scopes, Func<TContext, Task<int>> deleteBatch, CancellationToken cancellationToken)
        where TContext : DbContext
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<TContext>();
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var deleted = await deleteBatch(database);
        await transaction.CommitAsync(cancellationToken);
        return deleted;
    }
}
