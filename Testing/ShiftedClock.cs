namespace ConcertSaga.Testing;

/// <summary>
/// Returns the real time plus an offset that tests advance; timers run in real time. For hosts whose loops a test cannot step.
/// </summary>
public sealed class ShiftedClock : TimeProvider
{
    private long _ahead;

    /// <inheritdoc />
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _ahead));

    /// <summary>Advances the time.</summary>
    public void Advance(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);
}
