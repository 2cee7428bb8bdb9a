using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>
/// Deletes delivered and discarded deliveries after the retention, with their attempts, in batches. Dead ones stay until an operator
/// handles them. If a message or reconciliation recreates a deleted one, the relay resends it under the same id.
/// </summary>
internal sealed class DeliveryCleaner(
    IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, TimeProvider clock, ILogger<DeliveryCleaner> logger)
    : PeriodicTask("Deleting old deliveries", options.Value.CleaningInterval, clock, logger)
{
    /// <inheritdoc />
    public override Task RunOnceAsync(CancellationToken cancellationToken) => CleanAsync(cancellationToken);

    /// <returns>The number of deleted deliveries.</returns>
    public async Task<int> CleanAsync(CancellationToken cancellationToken)
    {
        var before = Clock.GetUtcNow() - options.Value.Retention;
        var batch = options.Value.CleaningBatch;
        var total = 0;
        foreach (var type in PlatformEvent.Types)
        {
            foreach (var status in new[] { DeliveryStatus.Delivered, DeliveryStatus.Discarded })
            {
                // An event stays while a later one of its reservation waits for it. The redundant condition on CreatedAt bounds the scan of
                // the index.
                total += await scopes.DeleteInBatchesAsync<DataPlatformDbContext>(Clock, batch, database => database.Deliveries
                    .Where(delivery => delivery.EventType == type && delivery.Status == status && delivery.CreatedAt < before
                        && delivery.CompletedAt < before
                        && !database.Deliveries.Any(next => next.ReservationId == delivery.ReservationId
                            && next.Sequence > delivery.Sequence
                            && (next.Status == DeliveryStatus.Pending || next.Status == DeliveryStatus.Dead)))
                    .OrderBy(delivery => delivery.CreatedAt).ThenBy(delivery => delivery.DeliveryId).Take(batch)
                    .ExecuteDeleteAsync(cancellationToken), cancellationToken);
            }
        }
        return total;
    }
}
