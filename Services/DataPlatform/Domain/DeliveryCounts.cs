using ConcertSaga.DataPlatform.Data;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>Counts what is pending and dead, now and then, for the metrics.</summary>
internal sealed partial class DeliveryCounts(IServiceScopeFactory scopes, RelayMetrics metrics, TimeProvider clock, ILogger<DeliveryCounts> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    public async Task CountAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        var pending = await database.Deliveries.Where(delivery => delivery.Status == DeliveryStatus.Pending)
            .GroupBy(_ => 1).Select(group => new { Count = group.Count(), Oldest = group.Min(delivery => delivery.CreatedAt) }).SingleOrDefaultAsync(cancellationToken);
        var dead = await database.Deliveries.CountAsync(delivery => delivery.Status == DeliveryStatus.Dead, cancellationToken);
        var isPaused = await database.Destinations.AnyAsync(one => one.PausedAt != null, cancellationToken);
        metrics.See(pending?.Count ?? 0, pending is null ? 0 : (clock.GetUtcNow() - pending.Oldest).TotalSeconds, dead, isPaused);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            do
            {
                try
                {
                    await CountAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogNotCounted(exception.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    [LoggerMessage(6007, LogLevel.Warning, "Deliveries could not be counted; the metrics show the last count: {Reason}")]
    private partial void LogNotCounted(string reason);
}
