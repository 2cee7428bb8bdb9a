using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Seats.Tests;

/// <summary>
/// Ends the work of a context as a kill would: before a statement, before a commit, or just after it, when everything is done and nobody
/// knows. It looks like a lost connection, and what lost it is tried again.
/// </summary>
internal sealed class Interruption : DbTransactionInterceptor, IDbCommandInterceptor
{
    private int _left, _count;

    /// <summary>How many there were.</summary>
    public int Count => _count;

    /// <summary>The next one comes so many moments from now; none with zero.</summary>
    public void In(int moments) => Volatile.Write(ref _left, moments);

    public ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        Pass();
        return ValueTask.FromResult(result);
    }

    public ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Pass();
        return ValueTask.FromResult(result);
    }

    public override ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        Pass();
        return ValueTask.FromResult(result);
    }

    public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Pass();
        return Task.CompletedTask;
    }

    private void Pass()
    {
        if (Interlocked.Decrement(ref _left) != 0)
            return;
        Interlocked.Increment(ref _count);
        throw new TimeoutException("Interrupted by the test.");
    }
}
