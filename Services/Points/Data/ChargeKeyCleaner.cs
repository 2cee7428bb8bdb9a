using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Points.Data;

/// <summary>Deletes the keys of charges that need not be remembered any more, a bounded number at a time.</summary>
public sealed partial class ChargeKeyCleaner(
    IServiceScopeFactory scopes, IOptions<PointsOptions> options, TimeProvider clock, ILogger<ChargeKeyCleaner> logger) : BackgroundService
{
    /// <summary>Deletes all keys that are old enough now.</summary>
    /// <returns>How many there were.</returns>
    public async Task<int> CleanAsync(CancellationToken cancellationToken)
    {
        var before = clock.GetUtcNow() - options.Value.ChargeKeyRetention;
        var batch = options.Value.CleaningBatch;
        var total = 0;
        int deleted;
        do
        {
            await using var scope = scopes.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<PointsDbContext>();
            await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
            deleted = await database.ChargeKeys.Where(key => key.CreatedAt < before).OrderBy(key => key.CreatedAt).Take(batch)
                .ExecuteDeleteAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
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
            // The end, also of a host that is disposed without having been stopped, which would take it for a failure.
        }
    }

    [LoggerMessage(3001, LogLevel.Warning, "Old charge keys could not be deleted; the next round tries again.")]
    private partial void LogNotCleaned(Exception exception);
}
