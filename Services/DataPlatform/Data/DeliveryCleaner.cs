using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Data;

/// <summary>
/// Deletes deliveries that have long been delivered or discarded, with their attempts, a bounded number at a time. Dead ones stay until an
/// operator has dealt with them. Should a message or the orchestrator's list bring a deleted one back, it is sent once more under the same id.
/// </summary>
internal sealed partial class DeliveryCleaner(
    IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, TimeProvider clock, ILogger<DeliveryCleaner> logger) : BackgroundService
{
    /// <returns>How many there were.</returns>
    public async Task<int> CleanAsync(CancellationToken cancellationToken)
    {
        var (before, batch) = (clock.GetUtcNow() - options.Value.Retention, options.Value.CleaningBatch);
        int total = 0, deleted;
        do
        {
            deleted = await scopes.WithTransactionAsync(async database =>
            {
                // A first event stays as long as a later one of its reservation waits for it. What was completed was made before, which the
                // index can tell.
                var old = database.Deliveries
                    .Where(delivery => delivery.CreatedAt < before && delivery.CompletedAt < before
                        && (delivery.Status == DeliveryStatus.Delivered || delivery.Status == DeliveryStatus.Discarded)
                        && !database.Deliveries.Any(next => next.ReservationId == delivery.ReservationId && next.Sequence > delivery.Sequence
                            && (next.Status == DeliveryStatus.Pending || next.Status == DeliveryStatus.Dead)))
                    .OrderBy(delivery => delivery.CreatedAt).ThenBy(delivery => delivery.DeliveryId).Take(batch);
                return await old.ExecuteDeleteAsync(cancellationToken);
            });
            total += deleted;
        }
        while (deleted == batch);
        return total;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.CleaningInterval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await CleanAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    // Nothing depends on it: the next round deletes what this one did not.
                    LogNotCleaned(exception);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    [LoggerMessage(6008, LogLevel.Warning, "Old deliveries could not be deleted; the next round tries again.")]
    private partial void LogNotCleaned(Exception exception);
}
