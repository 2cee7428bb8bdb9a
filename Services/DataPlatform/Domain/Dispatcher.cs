using System.Threading.Channels;
using ConcertSaga.DataPlatform.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>
/// Takes due deliveries and sends them. One loop takes them from the table, a bounded number ahead; a fixed number of senders empties what was
/// taken, so that one that is slow holds up none but itself. Whatever is not sent in time for its lease goes back unsent.
/// </summary>
internal sealed partial class Dispatcher : BackgroundService
{
    // For clocks that differ, and for writing the result.
    private static readonly TimeSpan LeaseMargin = TimeSpan.FromSeconds(2);

    private readonly IServiceScopeFactory _scopes;
    private readonly DataPlatformOptions _options;
    private readonly Sender _sender;
    private readonly OutcomeWriter _results;
    private readonly Breaker _breaker;
    private readonly RelayMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger<Dispatcher> _logger;
    private readonly Channel<Taken> _taken;
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly Lazy<Task> _senders;
    private int _outstanding;
    private volatile bool _isPaused;
    private volatile bool _isStopping;

    public Dispatcher(
        IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, Sender sender, OutcomeWriter results, Breaker breaker, RelayMetrics metrics,
        TimeProvider clock, ILogger<Dispatcher> logger)
    {
        (_scopes, _options, _sender, _results, _breaker) = (scopes, options.Value, sender, results, breaker);
        (_metrics, _clock, _logger) = (metrics, clock, logger);
        _taken = Channel.CreateBounded<Taken>(new BoundedChannelOptions(_options.Concurrency) { SingleWriter = true });
        _senders = new Lazy<Task>(() => Task.WhenAll(Enumerable.Range(0, _options.Concurrency).Select(_ => Task.Run(SendAllAsync))));
    }

    /// <summary>Deliveries that were taken and not yet written.</summary>
    public int Outstanding => Volatile.Read(ref _outstanding);

    /// <summary>Something is due, or may be.</summary>
    public void Wake()
    {
        try
        {
            if (_wake.CurrentCount == 0)
                _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // Somebody else was faster; it is awake.
        }
    }

    /// <summary>Takes what is due, as much as there is room for, and hands it to the senders.</summary>
    /// <returns>How many were looked at, and whether there may be more.</returns>
    public async Task<(int Seen, bool IsMore)> FeedAsync(CancellationToken cancellationToken)
    {
        _ = _senders.Value;
        if (!_sender.IsReady)
            return (0, false);
        if (_isPaused)
            _isPaused = await IsPausedAsync(cancellationToken);
        var (most, isTrial) = _isPaused ? (0, false) : _breaker.Allow(_options.Concurrency);
        if (most == 0)
            return (0, false);

        var (seen, leased) = (0, new List<Leased>());
        try
        {
            // Not broken off: it might have been done all the same.
            (seen, leased) = await _scopes.WithTransactionAsync(
                database => database.LeaseAsync(most, _clock.GetUtcNow(), _options.LeaseDuration, CancellationToken.None));
        }
        finally
        {
            if (isTrial && leased.Count == 0)
                _breaker.TrialEnded();
        }
        Interlocked.Add(ref _outstanding, leased.Count);
        foreach (var one in leased)
            await _taken.Writer.WriteAsync(new Taken(one, isTrial), CancellationToken.None);
        return (seen, seen == most && !isTrial);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                var isMore = false;
                try
                {
                    isMore = (await FeedAsync(stoppingToken)).IsMore;
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogNotTaken(exception.Message);
                }
                if (!isMore)
                    await _wake.WaitAsync(_options.PollInterval, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        // What was taken and not sent goes back, and what is under way ends.
        _isStopping = true;
        _taken.Writer.Complete();
        await _senders.Value;
    }

    public override void Dispose()
    {
        base.Dispose();
        _wake.Dispose();
    }

    private async Task SendAllAsync()
    {
        await foreach (var (lease, isTrial) in _taken.Reader.ReadAllAsync())
        {
            var wake = isTrial;
            try
            {
                wake |= await _results.AddAsync(await SendAsync(lease));
            }
            catch (Exception exception)
            {
                // It is sent again when its lease runs out; its neighbours must not suffer for it.
                LogBroken(exception, lease.DeliveryId);
            }
            if (isTrial)
                _breaker.TrialEnded();
            Interlocked.Decrement(ref _outstanding);
            if (wake)
                Wake();
        }
    }

    private async Task<Outcome> SendAsync(Leased lease)
    {
        var isTooLate = lease.LeasedUntil - _clock.GetUtcNow() < _options.Timeout + LeaseMargin;
        if (isTooLate || _isPaused || _isStopping)
            return Unsent(lease);
        var attempt = await _sender.SendAsync(lease.DeliveryId, lease.Payload);
        if (attempt.Verdict == Verdict.Unsent)
            return Unsent(lease);

        if (attempt.Verdict == Verdict.Gone)
            await PauseAsync(lease.DeliveryId, attempt.Error ?? "410");
        _metrics.Duration.Record(attempt.Duration.TotalSeconds);
        if (attempt.Verdict == Verdict.Delivered)
            _metrics.Sent.Add(1);
        else
            _metrics.Failed.Add(1, new KeyValuePair<string, object?>("reason", attempt.Reason));
        return Judge(lease, attempt);
    }

    private Outcome Judge(Leased lease, Attempt attempt)
    {
        var now = _clock.GetUtcNow();
        var counted = lease.Attempts + 1 - lease.AttemptsBefore;
        var row = new DeliveryAttempt
        {
            DeliveryId = lease.DeliveryId,
            Number = lease.Attempts + 1,
            At = attempt.At,
            StatusCode = attempt.StatusCode,
            DurationMilliseconds = (int)attempt.Duration.TotalMilliseconds,
            Error = attempt.Error
        };
        var status = attempt.Verdict switch
        {
            Verdict.Delivered => DeliveryStatus.Delivered,
            Verdict.Again when !RetrySchedule.IsOver(counted, now - lease.Since, _options) => DeliveryStatus.Pending,
            _ => DeliveryStatus.Dead
        };
        if (status == DeliveryStatus.Dead)
            LogDead(lease.DeliveryId, row.Number, attempt.Error);
        return new Outcome(lease, status, status == DeliveryStatus.Pending ? now + RetrySchedule.Wait(counted, attempt.RetryAfter, _options.MaxRetryAfter) : now, row);
    }

    private Outcome Unsent(Leased lease) => new(lease, DeliveryStatus.Pending, _clock.GetUtcNow(), null);

    private async Task<bool> IsPausedAsync(CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>().Destinations.AnyAsync(one => one.PausedAt != null, cancellationToken);
    }

    // Before the result is written: should it not come to that, the next attempt is answered the same.
    private async Task PauseAsync(Guid deliveryId, string error)
    {
        _isPaused = true;
        LogPaused(deliveryId, error);
        await _scopes.WithTransactionAsync(
            database => database.PauseAsync("relay", $"The destination answered {error}", _clock.GetUtcNow(), CancellationToken.None), always: true);
    }

    [LoggerMessage(6003, LogLevel.Warning, "Due deliveries could not be taken; it is tried again: {Reason}")]
    private partial void LogNotTaken(string reason);

    [LoggerMessage(6004, LogLevel.Error, "Delivery {DeliveryId} could not be handled; it is sent again when its lease runs out.")]
    private partial void LogBroken(Exception exception, Guid deliveryId);

    [LoggerMessage(6005, LogLevel.Error, "Delivery {DeliveryId} is given up after attempt {Attempt} and waits for an operator: {Reason}")]
    private partial void LogDead(Guid deliveryId, int attempt, string? reason);

    [LoggerMessage(6006, LogLevel.Error, "The destination wants no more, by its answer to delivery {DeliveryId}; nothing is sent until an operator resumes: {Reason}")]
    private partial void LogPaused(Guid deliveryId, string reason);

    private readonly record struct Taken(Leased Lease, bool IsTrial);
}
