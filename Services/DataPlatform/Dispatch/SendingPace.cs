namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>
/// Limits how fast the relay sends. The number of concurrent deliveries starts small and grows by one with each full round that succeeds.
/// After a throttling answer, the relay keeps the rate that the destination accepted, and doubles it every three minutes. Not
/// thread-safe; <see cref="Breaker"/> guards it.
/// </summary>
internal sealed class SendingPace(int max, TimeProvider clock)
{
    private const int InitialLimit = 4;

    // Fewer deliveries do not yield a meaningful rate.
    private const int MinMeasured = 10;

    // By then the rate has doubled five times and no longer limits.
    private static readonly TimeSpan RateLifetime = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Doubling = TimeSpan.FromMinutes(3);

    // A longer gap means that nothing was due, so a measured rate must not span it.
    private static readonly TimeSpan MaxGap = TimeSpan.FromSeconds(5);

    private int _grown;
    private double _measured, _tokens;
    private long _measuredAt, _filledAt;
    private int _delivered;
    private long _cycleStart, _lastDelivered;
    private bool _isThrottled;

    /// <summary>The maximum number of concurrent deliveries.</summary>
    public int Limit { get; private set; } = Math.Min(InitialLimit, max);

    /// <summary>Whether the pace keeps some senders idle.</summary>
    public bool IsLimited => Limit < max || Rate is not null;

    /// <summary>Deliveries per second; null if the destination has set no limit.</summary>
    public double? Rate => _measured == 0 || clock.GetElapsedTime(_measuredAt) is var age && age > RateLifetime ? null
        : _measured * Math.Pow(2, age / Doubling);

    /// <summary>The time until the rate allows the next delivery.</summary>
    public TimeSpan Wait => Rate is { } rate && Fill(rate) < 1 ? TimeSpan.FromSeconds((1 - _tokens) / rate) : TimeSpan.Zero;

    private TimeSpan Gap => Rate is { } rate && 3 / rate > MaxGap.TotalSeconds ? TimeSpan.FromSeconds(3 / rate) : MaxGap;

    /// <summary>The number of deliveries that may be leased now, in addition to the outstanding ones.</summary>
    public int Allow(int outstanding)
    {
        var free = Limit == max ? max : Limit - outstanding;
        // Leasing single rows would cost one statement each.
        if (free < Math.Max(1, Limit / 2))
            return 0;
        return Rate is { } rate ? Math.Min(free, (int)Fill(rate)) : free;
    }

    public void Spend(int count) => _tokens -= count;

    public void RecordDelivery()
    {
        var now = clock.GetTimestamp();
        if (!_isThrottled && (_delivered == 0 || clock.GetElapsedTime(_lastDelivered, now) > Gap))
        {
            _delivered = 0;
            _cycleStart = now;
        }
        _delivered++;
        _lastDelivered = now;
        if (Limit < max && ++_grown >= Limit)
        {
            Limit++;
            _grown = 0;
        }
    }

    public void RecordThrottling() => _isThrottled = true;

    /// <summary>Reduces the pace to one delivery at a time while the breaker is open.</summary>
    public void Reduce()
    {
        Limit = 1;
        _grown = 0;
    }

    /// <summary>
    /// Sets the rate after a successful trial: the deliveries since the previous trial, divided by the time they took.
    /// </summary>
    public void Resume()
    {
        var now = clock.GetTimestamp();
        if (_isThrottled && _delivered >= MinMeasured)
        {
            _measured = _delivered / Math.Max(0.1, clock.GetElapsedTime(_cycleStart, now).TotalSeconds);
            _measuredAt = now;
            _tokens = 0;
            _filledAt = now;
        }
        _isThrottled = false;
        _delivered = 0;
    }

    // Unused tokens last for one second at most, so a pause does not end in a burst.
    private double Fill(double rate)
    {
        var now = clock.GetTimestamp();
        _tokens = Math.Min(_tokens + (rate * clock.GetElapsedTime(_filledAt, now).TotalSeconds), Math.Max(1, rate));
        _filledAt = now;
        return _tokens;
    }
}
