using System.Threading.Channels;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>
/// Leases due deliveries and sends them. One loop leases a bounded number of rows ahead; a fixed number of senders works on them, so a slow
/// answer occupies only one sender. A delivery that cannot be sent before its lease ends is returned unsent.
/// </summary>
internal sealed partial class Dispatcher : BackgroundService
{
    // Covers clock skew between replicas and the time to write the outcome.
    private static readonly TimeSpan LeaseMargin = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan MinPause = TimeSpan.FromMilliseconds(10);

    private readonly IServiceScopeFactory _scopes;
    private readonly DataPlatformOptions _options;
    private readonly Sender _sender;
    private readonly AttemptJudge _judge;
    private readonly OutcomeWriter _outcomes;
    private readonly Breaker _breaker;
    private readonly RelayMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger<Dispatcher> _logger;
    private readonly OutageLog _outages;
    private readonly Channel<DispatchItem> _leased;
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly Lazy<Task> _senders;
    private int _outstanding;
    private volatile bool _isPaused;
    private volatile bool _isStopping;

    public Dispatcher(
        IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, Sender sender, AttemptJudge judge, OutcomeWriter outcomes,
        Breaker breaker, RelayMetrics metrics, TimeProvider clock, ILogger<Dispatcher> logger)
    {
        _scopes = scopes;
        _options = options.Value;
        _sender = sender;
        _judge = judge;
        _outcomes = outcomes;
        _breaker = breaker;
        _metrics = metrics;
        _clock = clock;
        _logger = logger;
        _outages = new OutageLog("Leasing due deliveries", logger, clock);
        _leased = Channel.CreateBounded<DispatchItem>(new BoundedChannelOptions(_options.Concurrency) { SingleWriter = true });
        _senders = new Lazy<Task>(() => Task.WhenAll(Enumerable.Range(0, _options.Concurrency).Select(_ => Task.Run(SendAllAsync))));
    }

    /// <summary>The number of leased deliveries whose outcome is not written yet.</summary>
    public int Outstanding => Volatile.Read(ref _outstanding);

    /// <summary>Makes the loop look for due deliveries now.</summary>
    public void Wake()
    {
        try
        {
            if (_wake.CurrentCount == 0)
                _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // Another caller has just released it.
        }
    }

    /// <summary>Leases as many due deliveries as the senders can take, and passes them to the senders.</summary>
    /// <returns>The number of due rows seen, and whether more may be due.</returns>
    public async Task<(int Seen, bool HasMore)> DispatchDueAsync(CancellationToken cancellationToken)
    {
        _ = _senders.Value;
        if (!_sender.IsReady)
            return (0, false);
        if (_isPaused)
            _isPaused = await IsPausedAsync(cancellationToken);
        var (maxCount, isTrial) = _isPaused ? (0, false) : _breaker.Allow(Outstanding);
        if (maxCount == 0)
            return (0, false);

        var seen = 0;
        List<DeliveryLease> leases = [];
        try
        {
            // Not cancellable: a cancelled statement may have been committed.
            (seen, leases) = await _scopes.WithTransactionAsync(
                database => database.LeaseAsync(maxCount, _clock.GetUtcNow(), _options.LeaseDuration, CancellationToken.None));
        }
        finally
        {
            if (isTrial && leases.Count == 0)
                _breaker.EndTrial();
        }
        _breaker.Spend(leases.Count);
        Interlocked.Add(ref _outstanding, leases.Count);
        foreach (var lease in leases)
            await _leased.Writer.WriteAsync(new DispatchItem(lease, isTrial), CancellationToken.None);
        // A trial whose only row waits for an earlier event has not happened.
        return (seen, seen == maxCount && (!isTrial || leases.Count == 0));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                var hasMore = false;
                try
                {
                    hasMore = (await DispatchDueAsync(stoppingToken)).HasMore;
                    _outages.Succeeded();
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    _outages.Failed(exception);
                }
                if (!hasMore)
                    await _wake.WaitAsync(Pause(), stoppingToken);
            }
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // Some drivers report a cancelled statement as an error of theirs.
        }
        // The senders finish current requests and return the remaining leases unsent.
        _isStopping = true;
        _leased.Writer.Complete();
        await _senders.Value;
    }

    // Until the breaker allows more, at most one poll interval.
    private TimeSpan Pause() => _breaker.Wait is var wait && wait > TimeSpan.Zero && wait < _options.PollInterval
        ? (wait > MinPause ? wait : MinPause) : _options.PollInterval;

    public override void Dispose()
    {
        base.Dispose();
        _wake.Dispose();
    }

    private async Task SendAllAsync()
    {
        await foreach (var (lease, isTrial) in _leased.Reader.ReadAllAsync())
        {
            var wake = isTrial;
            try
            {
                wake |= await _outcomes.AddAsync(await SendAsync(lease, isTrial));
            }
            catch (Exception exception)
            {
                // The sender must survive. The delivery is due again when its lease expires.
                LogUnhandled(exception, lease.DeliveryId);
            }
            if (isTrial)
                _breaker.EndTrial();
            Interlocked.Decrement(ref _outstanding);
            if (wake || _breaker.IsLimited)
                Wake();
        }
    }

    private async Task<DeliveryOutcome> SendAsync(DeliveryLease lease, bool isTrial)
    {
        var isTooLate = lease.LeasedUntil - _clock.GetUtcNow() < _options.Timeout + LeaseMargin;
        if (isTooLate || _isPaused || _isStopping || !_breaker.MaySend(isTrial))
            return _judge.ReturnUnsent(lease);
        var attempt = await _sender.SendAsync(lease.DeliveryId, lease.Payload, lease.TraceParent);
        if (attempt.Verdict == Verdict.Gone)
            await PauseAsync(lease.DeliveryId, attempt.Error ?? "410");
        _metrics.Duration.Record(attempt.Duration.TotalSeconds);
        if (attempt.Verdict == Verdict.Delivered)
            _metrics.Sent.Add(1);
        else
            _metrics.Failed.Add(1, new KeyValuePair<string, object?>("reason", attempt.Reason));
        return await _judge.JudgeAsync(lease, attempt, isTrial);
    }

    private async Task<bool> IsPausedAsync(CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>().Destinations
            .AnyAsync(destination => destination.PausedAt != null, cancellationToken);
    }

    // The pause is written before the outcome. If the write fails, the next attempt gets the same answer.
    private async Task PauseAsync(Guid deliveryId, string error)
    {
        _isPaused = true;
        LogPaused(deliveryId, error);
        await _scopes.WithTransactionAsync(
            database => database.PauseAsync("relay", $"The destination answered {error}", _clock.GetUtcNow(), CancellationToken.None),
            always: true);
    }

    [LoggerMessage(6004, LogLevel.Error, "Could not handle delivery {DeliveryId}. The relay resends it when its lease expires.")]
    private partial void LogUnhandled(Exception exception, Guid deliveryId);

    [LoggerMessage(6006, LogLevel.Error,
        "The destination asked for no more deliveries in its answer to {DeliveryId}. Sending stops until an operator resumes it. "
        + "Answer: {Reason}")]
    private partial void LogPaused(Guid deliveryId, string reason);

    private readonly record struct DispatchItem(DeliveryLease Lease, bool IsTrial);
}
