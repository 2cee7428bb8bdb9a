using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>
/// Stands still unless a test moves it. Its wall clock can be wrong, while elapsed time is always right, as on a real machine.
/// </summary>
public sealed class WrongClock(DateTimeOffset start) : FakeTimeProvider(start)
{
    /// <summary>How far the wall clock is ahead.</summary>
    public TimeSpan Error { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Error;

    public override long GetTimestamp() => base.GetUtcNow().UtcTicks;
}
