using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Intake;

/// <summary>
/// Compares the deliveries with the orchestrator's outcomes, and creates missing ones. Each round begins shortly before the newest change
/// it has seen. The relay stores that instant, so it catches up after an outage even without the messages. With an empty database, it
/// begins with the first reservation.
/// </summary>
internal sealed partial class Reconciliation(
    IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, IOptions<InnerWallOptions> wall, EventIntake intake,
    RelayMetrics metrics, TimeProvider clock, ILogger<Reconciliation> logger)
    : PeriodicReader(
        "Comparing the deliveries with the orchestrator's outcomes", options.Value.ReconciliationInterval,
        () => options.Value.OrchestratorAddress, clock, logger)
{
    private readonly OutcomeReader _reader = new(wall.Value.Secret, clock);
    private readonly ILogger _logger = logger;

    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        if (await ReconcileAsync(cancellationToken) is var missing and > 0)
            LogReconciled(_logger, missing);
    }

    /// <returns>The number of missing deliveries.</returns>
    public async Task<int> ReconcileAsync(CancellationToken cancellationToken)
    {
        var missing = 0;
        await _reader.ReadAsync(
            Address, await ReadCursorAsync(cancellationToken), options.Value.ReconciliationOverlap,
            async outcomes => missing += await AddMissingAsync(outcomes, cancellationToken),
            to => SaveCursorAsync(to, cancellationToken), cancellationToken);
        return missing;
    }

    public override void Dispose()
    {
        base.Dispose();
        _reader.Dispose();
    }

    private async Task<int> AddMissingAsync(ReservationOutcome[] outcomes, CancellationToken cancellationToken)
    {
        var events = outcomes.SelectMany(PlatformEvent.Of).ToList();
        if (events.Count == 0)
            return 0;
        // Nearly always all of them exist, and a query is cheaper than an insert.
        var ids = events.ConvertAll(platformEvent => platformEvent.DeliveryId);
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        var known = (await database.Deliveries.Where(delivery => ids.Contains(delivery.DeliveryId)).Select(delivery => delivery.DeliveryId)
            .ToListAsync(cancellationToken)).ToHashSet();
        var missing = events.FindAll(platformEvent => !known.Contains(platformEvent.DeliveryId));
        if (missing.Count == 0)
            return 0;
        var added = await intake.AddAsync(missing, cancellationToken);
        metrics.Reconciled.Add(added);
        return added;
    }

    private async Task<DateTimeOffset?> ReadCursorAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>().Destinations
            .Where(row => row.Name == Destination.Platform).Select(row => row.ReconciledTo).SingleAsync(cancellationToken);
    }

    // Replicas reconcile concurrently, so the cursor only moves forward, unless it lies in the future because of a wrong clock.
    private Task<int> SaveCursorAsync(DateTimeOffset to, CancellationToken cancellationToken) => scopes.WithTransactionAsync(database =>
    {
        var now = Clock.GetUtcNow();
        return database.Destinations
            .Where(row => row.Name == Destination.Platform && (row.ReconciledTo == null || row.ReconciledTo < to || row.ReconciledTo > now))
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.ReconciledTo, to), cancellationToken);
    });

    [LoggerMessage(6010, LogLevel.Warning, "Created {Count} missing deliveries from the orchestrator's outcomes.")]
    private static partial void LogReconciled(ILogger logger, int count);
}
