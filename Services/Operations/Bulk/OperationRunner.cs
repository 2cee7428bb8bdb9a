using ConcertSaga.Contracts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Bulk;

/// <summary>
/// Runs operations, one batch of each in turn. A failing operation, for example because the owner of its items is down, continues after a
/// second and does not hold up the others.
/// </summary>
internal sealed partial class OperationRunner(
    IServiceScopeFactory scopes, IEnumerable<IOperationWork> works, IOptions<OperationsOptions> options, TimeProvider clock,
    ILogger<OperationRunner> logger)
    : PeriodicTask("Running operations", TimeSpan.FromSeconds(1), clock, logger)
{
    /// <summary>The maximum number of items of a batch.</summary>
    public const int BatchSize = 100;

    private static readonly TimeSpan RestAfterFailure = TimeSpan.FromSeconds(1);

    private readonly ILogger<OperationRunner> _logger = logger;

    private readonly OutageLog _outages = new("Running an operation", logger, clock);

    // The operations whose last batch failed, and when.
    private readonly Dictionary<Guid, long> _failed = [];

    private readonly Dictionary<OperationKind, IOperationWork> _works =
        works.SelectMany(work => work.Kinds.Select(kind => (kind, work))).ToDictionary(pair => pair.kind, pair => pair.work);

    // Identifies this replica. After a failed batch, its next round continues without waiting for the end of the lease.
    private readonly Guid _replica = Guid.CreateVersion7(clock.GetUtcNow());

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        while (await FindDueAsync(cancellationToken) is { Count: > 0 } operations)
        {
            foreach (var operationId in operations)
                await TryBatchAsync(operationId, cancellationToken);
        }
    }

    private async Task<List<Guid>> FindDueAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        var free = await Free(database).OrderBy(operation => operation.StartedAt).Select(operation => operation.OperationId)
            .ToListAsync(cancellationToken);
        foreach (var ended in _failed.Keys.Except(free).ToList())
            _failed.Remove(ended);
        return free.FindAll(id => !_failed.TryGetValue(id, out var at) || Clock.GetElapsedTime(at) >= RestAfterFailure);
    }

    private async Task TryBatchAsync(Guid operationId, CancellationToken cancellationToken)
    {
        try
        {
            await RunBatchAsync(operationId, cancellationToken);
            if (_failed.Remove(operationId) && _failed.Count == 0)
                _outages.Succeeded();
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            _failed[operationId] = Clock.GetTimestamp();
            _outages.Failed(exception);
        }
    }

    private async Task RunBatchAsync(Guid operationId, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        var until = Clock.GetUtcNow() + options.Value.LeaseDuration;
        // If this changes nothing, another replica has taken the operation over.
        if (await database.InTransactionAsync(_ => Free(database).Where(row => row.OperationId == operationId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.LeaseId, _replica).SetProperty(row => row.LeasedUntil, until),
                cancellationToken), cancellationToken) == 0)
            return;
        var operation = await database.Operations.AsNoTracking().SingleAsync(row => row.OperationId == operationId, cancellationToken);
        var items = await database.OperationItems.Where(item => item.OperationId == operationId && item.Outcome == null)
            .OrderBy(item => item.Number).Take(BatchSize).ToListAsync(cancellationToken);
        var hasOpenItems = await _works[operation.Kind].RunAsync(new OperationBatch(database, operation, items), cancellationToken);
        if (!hasOpenItems && (items.Count < BatchSize || operation.IsStopping))
            await EndAsync(database, operation, cancellationToken);
    }

    private async Task EndAsync(OperationsDbContext database, Operation operation, CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        var isComplete = !await database.OperationItems
            .AnyAsync(item => item.OperationId == operation.OperationId && item.Outcome == null, cancellationToken);
        var status = isComplete ? OperationStatus.Completed : OperationStatus.Cancelled;
        var ended = await database.InTransactionAsync(_ => Free(database)
            .Where(row => row.OperationId == operation.OperationId && row.LeaseId == _replica)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.Status, status).SetProperty(row => row.CompletedAt, now),
                cancellationToken), cancellationToken);
        if (ended == 1)
            LogEnded(operation.Kind, operation.OperationId, operation.Operator, operation.Matched, status);
    }

    private IQueryable<Operation> Free(OperationsDbContext database)
    {
        var now = Clock.GetUtcNow();
        // A longer lease is of a replica whose clock was wrong.
        var longest = now + options.Value.LeaseDuration + ClockSkew.Tolerance;
        return database.Operations.Where(operation => operation.Status == OperationStatus.Running
            && (operation.LeaseId == null || operation.LeaseId == _replica || operation.LeasedUntil < now
                || operation.LeasedUntil > longest));
    }

    [LoggerMessage(11001, LogLevel.Information,
        "Operation {OperationId} of operator {OperatorId} has ended: {Kind} of {Matched} items, {Status}.")]
    private partial void LogEnded(OperationKind kind, Guid operationId, string operatorId, int matched, OperationStatus status);
}
