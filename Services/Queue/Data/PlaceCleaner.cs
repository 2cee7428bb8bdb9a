using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Data;

/// <summary>
/// Deletes places that have ended, a bounded number at a time. Everything that still matters about one is over when its last token has
/// expired: gateways need not know it to be revoked, it takes no slot, and nobody can come with it. That a pass buys once is kept by the
/// orchestrator; a purchase that is told of later finds nothing to end.
/// </summary>
public sealed partial class PlaceCleaner(
    IServiceScopeFactory scopes, IOptions<QueueOptions> options, TimeProvider clock, ILogger<PlaceCleaner> logger) : BackgroundService
{
    /// <summary>Deletes all places that have ended long enough ago, and those of people who still stood in line when a sale did.</summary>
    /// <returns>How many there were.</returns>
    public async Task<int> CleanAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var before = now - options.Value.PlaceRetention;
        List<QueueCounter> rooms;
        await using (var scope = scopes.CreateAsyncScope())
            rooms = await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Counters.AsNoTracking().OrderBy(room => room.ConcertId).ToListAsync(cancellationToken);
        var total = 0;
        foreach (var room in rooms)
            total += await CleanAsync(room, before, now, cancellationToken);
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

    private async Task<int> CleanAsync(QueueCounter room, DateTimeOffset before, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var batch = options.Value.CleaningBatch;
        var (concertId, serving, isOver) = (room.ConcertId, room.Serving, room.SaleClosesAt < before);
        int total = 0, deleted;
        do
        {
            await using var scope = scopes.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
            await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
            // By their numbers, so that the index of the line answers it: the oldest are the first, and behind the one being served only the
            // end of the sale ends places in numbers.
            deleted = await database.Tokens
                .Where(token => token.ConcertId == concertId && (isOver || token.Number <= serving)
                    && token.Status != QueueTokenStatus.Offered && token.Status != QueueTokenStatus.Active
                    && (isOver || token.Status != QueueTokenStatus.Waiting)
                    && token.Exp < before && (token.SlotUntil == null || token.SlotUntil <= now))
                .OrderBy(token => token.Number).Take(batch)
                .ExecuteDeleteAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            total += deleted;
        }
        while (deleted == batch);
        return total;
    }

    [LoggerMessage(5006, LogLevel.Warning, "Ended places could not be deleted; the next round tries again.")]
    private partial void LogNotCleaned(Exception exception);
}
