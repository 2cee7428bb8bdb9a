namespace ConcertSaga.DataPlatform.Data;

internal static class Transactions
{
    /// <summary>
    /// Does something with a context of its own in one transaction. On PostgreSQL each of the relay's own statements is a transaction by itself,
    /// and saves the round trip of the commit, unless it is told otherwise.
    /// </summary>
    public static async Task<T> WithTransactionAsync<T>(this IServiceScopeFactory scopes, Func<DataPlatformDbContext, Task<T>> work, bool always = false)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        await using var transaction = database is PostgreSqlDataPlatformDbContext && !always ? null : await database.Database.BeginTransactionAsync();
        var result = await work(database);
        if (transaction is not null)
            await transaction.CommitAsync();
        return result;
    }
}
