namespace ConcertSaga.Testing;

/// <summary>The real time, moved ahead by what a test asks for; timers run as usual. For hosts whose loops cannot be stepped one by one.</summary>
public sealed class ShiftedClock : TimeProvider
{
    private long _ahead;

    /// <inheritdoc />
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _ahead));

    /// <summary>Moves the time ahead.</summary>
    public void Advance(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);
}
