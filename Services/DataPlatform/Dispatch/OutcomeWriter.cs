using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Concurrency;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>
/// Writes the outcomes of deliveries, concurrent ones together. It drops an outcome after a few failed writes: the lease then expires, and
/// the relay resends the delivery under the same id.
/// </summary>
internal sealed class OutcomeWriter : IAsyncDisposable
{
    private const int MaxWrites = 5;

    private readonly IServiceScopeFactory _scopes;
    private readonly DataPlatformOptions _options;
    private readonly RelayMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly OutageLog _outages;
    private readonly Batcher<Entry> _waiting;

    public OutcomeWriter(IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, RelayMetrics metrics, TimeProvider clock,
        ILogger<OutcomeWriter> logger)
    {
        _scopes = scopes;
        _options = options.Value;
        _metrics = metrics;
        _clock = clock;
        _outages = new OutageLog("Writing the outcomes of deliveries", logger, clock);
        _waiting = new Batcher<Entry>(WriteAsync, 500);
    }

    /// <summary>Waits until the outcome is written or dropped.</summary>
    /// <returns>Whether other deliveries may have become due.</returns>
    public Task<bool> AddAsync(DeliveryOutcome outcome)
    {
        var entry = new Entry(outcome, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _waiting.Add(entry) ? entry.Done.Task : Task.FromResult(false);
    }

    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private async Task WriteAsync(List<Entry> group)
    {
        for (var write = 1; ; write++)
        {
            try
            {
                var outcomes = group.ConvertAll(entry => entry.Outcome);
                var (written, woken) = await _scopes.WithTransactionAsync(async database =>
                {
                    var result = await database.WriteAsync(outcomes, _clock.GetUtcNow(), CancellationToken.None);
                    await DeleteOldAttemptsAsync(database, outcomes);
                    return result;
                });
                _outages.Succeeded();
                _metrics.Late.Add(group.Count - written.Count);
                foreach (var entry in group)
                    entry.Done.TrySetResult(woken > 0 || entry.Outcome.Attempt is null);
                return;
            }
            catch (Exception exception) when (write < MaxWrites)
            {
                _outages.Failed(exception);
                await Task.Delay(TimeSpan.FromMilliseconds(100 * write * write));
            }
            catch (Exception exception)
            {
                _outages.Failed(exception);
                foreach (var entry in group)
                    entry.Done.TrySetResult(false);
                return;
            }
        }
    }

    private async Task DeleteOldAttemptsAsync(DataPlatformDbContext database, List<DeliveryOutcome> outcomes)
    {
        var kept = _options.AttemptsKept;
        var deliveries = outcomes.FindAll(outcome => outcome.Attempt?.Number > kept).ConvertAll(outcome => outcome.Lease.DeliveryId);
        if (deliveries.Count == 0)
            return;
        await database.Attempts
            .Where(attempt => database.Deliveries.Any(delivery => deliveries.Contains(delivery.DeliveryId)
                && delivery.DeliveryId == attempt.DeliveryId
                && attempt.Number <= delivery.Attempts - kept))
            .ExecuteDeleteAsync();
    }

    private sealed record Entry(DeliveryOutcome Outcome, TaskCompletionSource<bool> Done);
}
