using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Seats.Tests.Fixtures;

/// <summary>
/// Interrupts the work of a context as a kill would: before a statement, before a commit, or just after it, when the caller does not know
/// that it succeeded. It looks like a lost connection, so the caller retries.
/// </summary>
internal sealed class Interruption : DbTransactionInterceptor, IDbCommandInterceptor
{
    private int _left, _count;

    /// <summary>The number of interruptions so far.</summary>
    public int Count => _count;

    /// <summary>Schedules the next interruption at the given number of steps from now; zero turns it off.</summary>
    public void After(int steps) => Volatile.Write(ref _left, steps);

    public ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
            CancellationToken cancellationToken = default)
    {
        CountDown();
        return ValueTask.FromResult(result);
    }

    public ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        CountDown();
        return ValueTask.FromResult(result);
    }

    public override ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        CountDown();
        return ValueTask.FromResult(result);
    }

    public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        CountDown();
        return Task.CompletedTask;
    }

    private void CountDown()
    {
        if (Interlocked.Decrement(ref _left) != 0)
            return;
        Interlocked.Increment(ref _count);
        throw new TimeoutException("Interrupted by the test.");
    }
}
