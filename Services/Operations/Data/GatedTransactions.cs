namespace ConcertSaga.Operations.Data;

internal static class GatedTransactions
{
    /// <summary>
    /// Runs a single statement in a transaction of its own. On SQLite, a statement without one would not wait for its turn.
    /// </summary>
    public static async Task<T> InTransactionAsync<T>(
        this OperationsDbContext database, Func<OperationsDbContext, Task<T>> work, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var result = await work(database);
        await transaction.CommitAsync(cancellationToken);
        return result;
    }
}
