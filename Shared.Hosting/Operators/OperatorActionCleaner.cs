using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Operators;

/// <summary>Deletes the records of operators' actions after two years, in bounded batches.</summary>
/// <param name="scopes">Creates the contexts.</param>
/// <param name="clock">Tells the age of an action.</param>
/// <param name="logger">The logger.</param>
public sealed class OperatorActionCleaner<TContext>(
    IServiceScopeFactory scopes, TimeProvider clock, ILogger<OperatorActionCleaner<TContext>> logger)
    : PeriodicTask("Deleting old actions of operators", Interval, clock, logger)
    where TContext : DbContext
{
    private const int Batch = 1_000;

    private static readonly TimeSpan Interval = TimeSpan.FromHours(6), Retention = TimeSpan.FromDays(730);

    /// <inheritdoc />
    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var before = Clock.GetUtcNow() - Retention;
        return scopes.DeleteInBatchesAsync<TContext>(Clock, Batch,
            database => database.Set<OperatorAction>().Where(action => action.At < before)
            .OrderBy(action => action.At).Take(Batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
    }
}
