using ConcertSaga.DataPlatform.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>
/// Writes what came of deliveries, those that end at the same time together. A result that cannot be written is tried a few times and then
/// forgotten: the lease runs out, and the delivery is sent again under the same id.
/// </summary>
internal sealed partial class OutcomeWriter : IAsyncDisposable
{
    private const int Tries = 5;

    private readonly IServiceScopeFactory _scopes;
    private readonly DataPlatformOptions _options;
    private readonly RelayMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger<OutcomeWriter> _logger;
    private readonly Grouped<Entry> _waiting;

    public OutcomeWriter(IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, RelayMetrics metrics, TimeProvider clock, ILogger<OutcomeWriter> logger)
    {
        (_scopes, _options, _metrics, _clock, _logger) = (scopes, options.Value, metrics, clock, logger);
        _waiting = new Grouped<Entry>(WriteAsync, 500);
    }

    /// <summary>Waits until it is written, or has to be forgotten.</summary>
    /// <returns>Whether deliveries have become due by it, or may have.</returns>
    public Task<bool> AddAsync(Outcome outcome)
    {
        var entry = new Entry(outcome, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _waiting.Add(entry) ? entry.Done.Task : Task.FromResult(false);
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private async Task WriteAsync(List<Entry> group)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var outcomes = group.ConvertAll(entry => entry.Outcome);
                var (written, woken) = await _scopes.WithTransactionAsync(async database =>
                {
                    var result = await database.WriteAsync(outcomes, _clock.GetUtcNow(), CancellationToken.None);
                    await ForgetOldAttemptsAsync(database, outcomes);
                    return result;
                });
                _metrics.Late.Add(group.Count - written.Count);
                foreach (var entry in group)
                    entry.Done.TrySetResult(woken > 0 || entry.Outcome.Attempt is null);
                return;
            }
            catch (Exception exception) when (attempt < Tries)
            {
                LogNotWritten(group.Count, exception.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(100 * attempt * attempt));
            }
            catch (Exception exception)
            {
                LogForgotten(exception, group.Count);
                foreach (var entry in group)
                    entry.Done.TrySetResult(false);
                return;
            }
        }
    }

    private async Task ForgetOldAttemptsAsync(DataPlatformDbContext database, List<Outcome> outcomes)
    {
        var kept = _options.AttemptsKept;
        var many = outcomes.FindAll(one => one.Attempt?.Number > kept).ConvertAll(one => one.Lease.DeliveryId);
        if (many.Count == 0)
            return;
        await database.Attempts
            .Where(attempt => database.Deliveries.Any(delivery => many.Contains(delivery.DeliveryId) && delivery.DeliveryId == attempt.DeliveryId
                && attempt.Number <= delivery.Attempts - kept))
            .ExecuteDeleteAsync();
    }

    [LoggerMessage(6001, LogLevel.Warning, "{Count} results could not be written, and are tried again: {Reason}")]
    private partial void LogNotWritten(int count, string reason);

    [LoggerMessage(6002, LogLevel.Error, "{Count} results could not be written; when their leases run out the deliveries are sent again.")]
    private partial void LogForgotten(Exception exception, int count);

    private sealed record Entry(Outcome Outcome, TaskCompletionSource<bool> Done);
}
