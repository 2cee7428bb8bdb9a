using ConcertSaga.Contracts;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>
/// Repairs stored instants that are impossibly far in the future, written while a clock was ahead. Without a repair, each would delay its
/// delivery until it comes. <c>InstantRepairTests</c> lists the bound of each instant, or why it needs none.
/// </summary>
internal sealed partial class InstantRepair(
    IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, Dispatcher dispatcher, RelayMetrics metrics, TimeProvider clock,
    ILogger<InstantRepair> logger)
    : PeriodicTask("Repairing instants in the future", TimeSpan.FromSeconds(10), clock, logger)
{
    private readonly DataPlatformOptions _options = options.Value;
    private readonly TimeProvider _clock = clock;
    private readonly ILogger<InstantRepair> _logger = logger;

    /// <inheritdoc />
    protected override bool RunsAtStart => true;

    /// <inheritdoc />
    public override Task RunOnceAsync(CancellationToken cancellationToken) => RepairAsync(cancellationToken);

    /// <returns>The number of repaired instants.</returns>
    public async Task<int> RepairAsync(CancellationToken cancellationToken)
    {
        var (due, leases, created, cursors) = await scopes.WithTransactionAsync(async database =>
        {
            // Read inside, because a transaction can begin late, and rows that were written meanwhile are not ahead.
            var now = _clock.GetUtcNow();
            return (await RepairDueAsync(database, now, cancellationToken), await RepairLeasesAsync(database, now, cancellationToken),
                await RepairCreatedAsync(database, now, cancellationToken), await RepairCursorAsync(database, now, cancellationToken));
        });
        var total = due + leases + created + cursors;
        if (total == 0)
            return 0;
        metrics.Repaired.Add(total);
        LogRepaired(due, leases, created, cursors);
        dispatcher.Wake();
        return total;
    }

    private async Task<int> RepairDueAsync(DataPlatformDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var waiting = database.Deliveries.Where(row => row.Status == DeliveryStatus.Pending && row.LeaseId == null);
        // A delivery without attempts waits at most for an earlier event.
        var total = await MakeDueAsync(waiting.Where(row => row.Attempts == 0), DeliveryStore.BlockedDelay);
        for (var counted = 0; counted < RetrySchedule.MaxWaits.Length; counted++)
        {
            var number = counted;
            var attempted = waiting.Where(row => row.Attempts > 0);
            attempted = number < RetrySchedule.MaxWaits.Length - 1
                ? attempted.Where(row => row.Attempts - row.AttemptsBefore == number)
                : attempted.Where(row => row.Attempts - row.AttemptsBefore >= number);
            var wait = RetrySchedule.MaxWait(number);
            // An uncounted failure waits at most for the breaker.
            total += await MakeDueAsync(attempted, wait > _options.BreakerMaxPause ? wait : _options.BreakerMaxPause);
        }
        return total;

        Task<int> MakeDueAsync(IQueryable<Delivery> deliveries, TimeSpan maxWait)
        {
            var bound = now + maxWait + ClockSkew.Tolerance;
            return deliveries.Where(row => row.NextAttemptAt > bound)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.NextAttemptAt, now), cancellationToken);
        }
    }

    // The replica that holds a lease may be alive, so the lease keeps its full duration.
    private Task<int> RepairLeasesAsync(DataPlatformDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var until = now + _options.LeaseDuration;
        var bound = until + ClockSkew.Tolerance;
        return database.Deliveries.Where(row => row.Status == DeliveryStatus.Pending && row.LeaseId != null && row.NextAttemptAt > bound)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.NextAttemptAt, until).SetProperty(row => row.LeasedUntil, until),
                cancellationToken);
    }

    // The lists and the cleaner use CreatedAt.
    private static Task<int> RepairCreatedAsync(DataPlatformDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var bound = now + ClockSkew.Tolerance;
        return database.Deliveries.InAllParts().Where(row => row.CreatedAt > bound)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.CreatedAt, now), cancellationToken);
    }

    // Each round begins one overlap before the cursor, so a smaller error hides no outcome. After a larger one, reconciliation starts over.
    private Task<int> RepairCursorAsync(DataPlatformDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var bound = now + _options.ReconciliationOverlap;
        return database.Destinations.Where(row => row.ReconciledTo > bound)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.ReconciledTo, (DateTimeOffset?)null), cancellationToken);
    }

    [LoggerMessage(6015, LogLevel.Warning,
        "Repaired instants that a wrong clock had written into the future: {Due} deliveries are due now, {Leases} leases were shortened, "
        + "{Created} creation times were set to now, and {Cursors} reconciliation cursors were reset.")]
    private partial void LogRepaired(int due, int leases, int created, int cursors);
}
