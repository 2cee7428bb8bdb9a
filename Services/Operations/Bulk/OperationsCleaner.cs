using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Bulk;

/// <summary>
/// Deletes requeued and discarded messages, ended operations, and selections that no operator started. Waiting messages stay.
/// </summary>
internal sealed class OperationsCleaner(
    IServiceScopeFactory scopes, IOptions<OperationsOptions> options, TimeProvider clock, ILogger<OperationsCleaner> logger)
    : PeriodicTask("Deleting old failed messages", options.Value.CleaningInterval, clock, logger)
{
    // An operation has up to ten thousand items, which its deletion deletes too.
    private const int OperationsPerStatement = 1;

    private static readonly TimeSpan SelectionLifetime = TimeSpan.FromDays(1);

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        var before = now - options.Value.Retention;
        var selectedBefore = now - SelectionLifetime;
        var batch = options.Value.CleaningBatch;
        await scopes.DeleteInBatchesAsync<OperationsDbContext>(Clock, batch,
            database => database.FailedMessages.Where(message => message.CompletedAt < before)
            .OrderBy(message => message.CompletedAt).Take(batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
        // The first condition bounds the index scan.
        await scopes.DeleteInBatchesAsync<OperationsDbContext>(Clock, OperationsPerStatement, database => database.Operations
            .Where(operation => operation.CreatedAt < selectedBefore
                && (operation.Status == OperationStatus.Selected || operation.CompletedAt < before))
            .OrderBy(operation => operation.CreatedAt).Take(OperationsPerStatement)
            .ExecuteDeleteAsync(cancellationToken), cancellationToken);
    }
}
