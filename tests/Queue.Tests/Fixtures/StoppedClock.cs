namespace ConcertSaga.Queue.Tests.Fixtures;

/// <summary>
/// Moves only when a test moves it, while timers run in real time. Fake timers would fire a hundred thousand times per simulated day.
/// </summary>
internal sealed class StoppedClock(DateTimeOffset now) : TimeProvider
{
    private long _ticks = now.UtcTicks;
    private long _elapsed;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _elapsed);

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

    public void Advance(TimeSpan by)
    {
        Interlocked.Add(ref _elapsed, by.Ticks);
        Shift(by);
    }

    /// <summary>Sets the wall clock forward or back, while no time passes.</summary>
    public void Shift(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
