namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>The real time, moved ahead by what a test asks for; timers run as usual.</summary>
internal sealed class ShiftedClock : TimeProvider
{
    private long _ahead;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _ahead));

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);
}
