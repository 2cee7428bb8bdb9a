namespace ConcertSaga.DataPlatform.Data;

internal static class Transactions
{
    /// <summary>
    /// Runs work in one transaction of a new context. On PostgreSQL this saves the round trip of the commit: each statement of the relay is
    /// its own transaction there, unless <paramref name="always"/> is true.
    /// </summary>
    public static async Task<T> WithTransactionAsync<T>(this IServiceScopeFactory scopes, Func<DataPlatformDbContext, Task<T>> work,
        bool always = false)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        await using var transaction = database is PostgreSqlDataPlatformDbContext && !always ? null
            : await database.Database.BeginTransactionAsync();
        var result = await work(database);
        if (transaction is not null)
            await transaction.CommitAsync();
        return result;
    }
}
