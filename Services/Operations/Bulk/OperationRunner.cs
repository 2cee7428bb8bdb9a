using System.Runtime.ExceptionServices;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Bulk;

/// <summary>
/// Runs operations, one batch of each in turn. A failing operation, for example because the owner of its items is down, waits for the next
/// round and does not hold up the others.
/// </summary>
internal sealed partial class OperationRunner(
    IServiceScopeFactory scopes, IEnumerable<IOperationWork> works, IOptions<OperationsOptions> options, TimeProvider clock,
    ILogger<OperationRunner> logger)
    : PeriodicTask("Running operations", TimeSpan.FromSeconds(1), clock, logger)
{
    /// <summary>The maximum number of items of a batch.</summary>
    public const int BatchSize = 100;

    private readonly ILogger<OperationRunner> _logger = logger;

    private readonly Dictionary<OperationKind, IOperationWork> _works =
        works.SelectMany(work => work.Kinds.Select(kind => (kind, work))).ToDictionary(pair => pair.kind, pair => pair.work);

    // Identifies this replica. After a failed batch, its next round continues without waiting for the end of the lease.
    private readonly Guid _replica = Guid.CreateVersion7(clock.GetUtcNow());

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var failures = new Dictionary<Guid, Exception>();
        while (await FindFreeAsync(failures.Keys, cancellationToken) is { Count: > 0 } operations)
        {
            foreach (var operationId in operations)
            {
                try
                {
                    await RunBatchAsync(operationId, cancellationToken);
                }
                catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
                {
                    failures.Add(operationId, exception);
                }
            }
        }
        // With its type and stack, which tell whether the failure is transient.
        if (failures.Values.FirstOrDefault() is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    private async Task<List<Guid>> FindFreeAsync(IReadOnlyCollection<Guid> failed, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        var free = await Free(database).OrderBy(operation => operation.StartedAt).Select(operation => operation.OperationId)
            .ToListAsync(cancellationToken);
        return [.. free.Except(failed)];
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
        return database.Operations.Where(operation => operation.Status == OperationStatus.Running
            && (operation.LeaseId == null || operation.LeaseId == _replica || operation.LeasedUntil < now));
    }

    [LoggerMessage(11001, LogLevel.Information,
        "Operation {OperationId} of operator {OperatorId} has ended: {Kind} of {Matched} items, {Status}.")]
    private partial void LogEnded(OperationKind kind, Guid operationId, string operatorId, int matched, OperationStatus status);
}
