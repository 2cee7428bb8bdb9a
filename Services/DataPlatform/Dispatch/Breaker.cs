using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>Whether a replica sends to the destination.</summary>
internal enum BreakerState
{
    /// <summary>The replica sends deliveries.</summary>
    Closed,

    /// <summary>One trial delivery tests whether the destination has recovered.</summary>
    HalfOpen,

    /// <summary>The replica sends nothing.</summary>
    Open
}

/// <summary>Why the destination accepts no deliveries, as seen by one replica.</summary>
/// <param name="Reason">The last answer or connection failure.</param>
/// <param name="Kind"><see cref="AttemptResult.Reason"/> of that attempt.</param>
/// <param name="Since">The first failure in a row.</param>
/// <param name="NextTrialAt">The time of the next trial; null while the breaker is closed.</param>
internal sealed record Trouble(string Reason, string? Kind, DateTimeOffset Since, DateTimeOffset? NextTrialAt);

/// <summary>
/// Stops sending to a destination that cannot accept deliveries or asks for fewer, and resumes slowly. While it is open, the replica leases
/// no rows, so deliveries lose no attempts. Each replica decides alone, and measures time with a monotonic clock.
/// </summary>
internal sealed partial class Breaker
{
    // With few deliveries, this many failures in a row are logged although the breaker stays closed.
    private const int ReportedFailures = 3;

    private readonly DataPlatformOptions _options;
    private readonly TimeProvider _clock;
    private readonly RelayMetrics _metrics;
    private readonly ILogger<Breaker> _logger;
    private readonly Lock _gate = new();
    private readonly SendingPace _pace;
    private readonly FailureShare _share;

    // Deliveries that failed since the last success. A repeated failure of the same delivery is no new evidence.
    private readonly HashSet<Guid> _failing = [];

    private bool _isOpen, _isTrying, _isReported;
    private long _openedAt, _troubledAt, _deliveredAt;
    private TimeSpan _pause;
    private int _failedTrials, _failedInRow;
    private string _reason = "";
    private string? _kind;

    public Breaker(IOptions<DataPlatformOptions> options, TimeProvider clock, RelayMetrics metrics, ILogger<Breaker> logger)
    {
        _options = options.Value;
        _clock = clock;
        _metrics = metrics;
        _logger = logger;
        _pace = new SendingPace(_options.Concurrency, clock);
        _share = new FailureShare(_options.BreakerSampling, clock);
        metrics.ObserveBreaker(this);
    }

    public BreakerState State
    {
        get
        {
            lock (_gate)
                return !_isOpen ? BreakerState.Closed : _isTrying ? BreakerState.HalfOpen : BreakerState.Open;
        }
    }

    /// <summary>Why the destination accepts no deliveries; null while it does.</summary>
    public Trouble? Trouble
    {
        get
        {
            lock (_gate)
                return !_isReported ? null
                    : new Trouble(_reason, _kind, At(_troubledAt), _isOpen ? _clock.GetUtcNow() + Remaining() : null);
        }
    }

    /// <summary>The maximum number of concurrent deliveries.</summary>
    public int Limit
    {
        get
        {
            lock (_gate)
                return _isOpen ? (_isTrying ? 1 : 0) : _pace.Limit;
        }
    }

    /// <summary>The maximum deliveries per second; null if the destination has set no limit.</summary>
    public double? Rate
    {
        get
        {
            lock (_gate)
                return _pace.Rate;
        }
    }

    /// <summary>Whether the end of one delivery makes room for another.</summary>
    public bool IsLimited
    {
        get
        {
            lock (_gate)
                return _isOpen || _pace.IsLimited;
        }
    }

    /// <summary>The time until <see cref="Allow"/> can allow more.</summary>
    public TimeSpan Wait
    {
        get
        {
            lock (_gate)
                return _isOpen ? Remaining() : _pace.Wait;
        }
    }

    /// <summary>
    /// Returns how many deliveries may be leased now, and whether this starts a trial. A trial ends with its result or
    /// <see cref="EndTrial"/>.
    /// </summary>
    public (int MaxCount, bool IsTrial) Allow(int outstanding)
    {
        lock (_gate)
        {
            if (!_isOpen)
                return (_pace.Allow(outstanding), false);
            if (_isTrying || Remaining() > TimeSpan.Zero)
                return (0, false);
            _isTrying = true;
            return (1, true);
        }
    }

    /// <summary>Deducts leased deliveries from the rate.</summary>
    public void Spend(int count)
    {
        lock (_gate)
            _pace.Spend(count);
    }

    /// <summary>Whether a leased delivery may still be sent.</summary>
    public bool MaySend(bool isTrial)
    {
        lock (_gate)
            return isTrial || !_isOpen;
    }

    /// <summary>
    /// Whether a failure is the delivery's own: since its previous attempt the destination has accepted another delivery, and no other one
    /// has failed.
    /// </summary>
    public bool IsOwnFault(Guid deliveryId, DateTimeOffset previousAttempt)
    {
        lock (_gate)
            return !_isOpen && _deliveredAt != 0 && At(_deliveredAt) >= previousAttempt
                && (_failing.Count == 0 || (_failing.Count == 1 && _failing.Contains(deliveryId)));
    }

    public void RecordDelivery(bool isTrial)
    {
        lock (_gate)
        {
            _deliveredAt = _clock.GetTimestamp();
            _pace.RecordDelivery();
            RecordAnswer(isTrial);
        }
    }

    /// <summary>Records that the destination works: it accepted a delivery, or refused one for its content.</summary>
    public void RecordAnswer(bool isTrial)
    {
        lock (_gate)
        {
            // The request of this answer was sent before the breaker opened.
            if (_isOpen && !isTrial)
                return;
            if (_isOpen)
            {
                _pace.Resume();
                _share.Clear();
                _isOpen = false;
                _isTrying = false;
                _failedTrials = 0;
            }
            else
            {
                _share.Add(hasFailed: false);
            }
            _failedInRow = 0;
            _failing.Clear();
            if (_isReported)
                LogRecovered(_clock.GetElapsedTime(_troubledAt).TotalSeconds);
            _isReported = false;
        }
    }

    /// <summary>Records that the destination did not accept a delivery, for a reason that would meet any other.</summary>
    public void RecordFailure(Guid deliveryId, AttemptResult attempt, bool isTrial)
    {
        lock (_gate)
        {
            if (_failedInRow++ == 0)
                _troubledAt = _clock.GetTimestamp();
            (_reason, _kind) = (attempt.Error ?? attempt.Reason ?? "no answer", attempt.Reason);
            if (attempt.IsThrottled)
                _pace.RecordThrottling();

            if (_isOpen)
            {
                if (isTrial)
                {
                    _isTrying = false;
                    _failedTrials++;
                }
                if (isTrial || attempt.RetryAfter > Remaining())
                    StartPause(attempt.RetryAfter);
                return;
            }
            if (_failing.Add(deliveryId))
                _share.Add(hasFailed: true);
            // Timeouts are too slow to fill the sampling window, so the number of failing deliveries also opens the breaker.
            if (attempt.IsThrottled || _failing.Count >= _options.BreakerMinimum
                || _share.IsAtLeast(_options.BreakerFailureRatio, _options.BreakerMinimum))
            {
                _isOpen = true;
                _metrics.BreakerOpened.Add(1);
                _pace.Reduce();
                StartPause(attempt.RetryAfter);
                Report();
            }
            else if (_failedInRow >= ReportedFailures)
            {
                Report();
            }
        }
    }

    /// <summary>Ends a trial without a result, for example because no delivery was due.</summary>
    public void EndTrial()
    {
        lock (_gate)
            _isTrying = false;
    }

    /// <summary>Allows a trial immediately.</summary>
    public void EndPause()
    {
        lock (_gate)
        {
            _pause = TimeSpan.Zero;
            _failedTrials = 0;
        }
    }

    private DateTimeOffset At(long timestamp) => _clock.GetUtcNow() - _clock.GetElapsedTime(timestamp);

    private TimeSpan Remaining() => _pause - _clock.GetElapsedTime(_openedAt) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

    // The second pause is as long as the first. Later ones double, up to a limit.
    private void StartPause(TimeSpan? retryAfter)
    {
        var first = retryAfter > TimeSpan.Zero ? retryAfter.Value : _options.BreakerPause;
        var limit = first > _options.BreakerMaxPause ? first : _options.BreakerMaxPause;
        var grown = first * Math.Pow(2, Math.Clamp(_failedTrials - 1, 0, 20));
        _pause = grown < limit ? grown : limit;
        _openedAt = _clock.GetTimestamp();
    }

    private void Report()
    {
        if (_isReported)
            return;
        _isReported = true;
        LogTroubled(_failedInRow, _reason);
    }

    [LoggerMessage(6011, LogLevel.Warning,
        "The destination accepts no deliveries after {Failures} failures in a row. Single deliveries test it until it recovers. "
        + "Reason: {Reason}")]
    private partial void LogTroubled(int failures, string reason);

    [LoggerMessage(6012, LogLevel.Information, "The destination accepts deliveries again after {Seconds:F0} s.")]
    private partial void LogRecovered(double seconds);
}
