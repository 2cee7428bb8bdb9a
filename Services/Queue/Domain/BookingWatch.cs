using ConcertSaga.Contracts.Reservations;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Domain;

/// <summary>
/// Whether reservations can be taken, as far as this replica has heard. To let people in who then cannot book would only cost them the time
/// of their passes, so without a word from the orchestrator nobody is let in.
/// </summary>
internal sealed class BookingWatch(IOptions<QueueOptions> options, TimeProvider clock)
{
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(5);

    private long _lastYes = DateTimeOffset.MinValue.UtcTicks;

    public bool IsOpen => clock.GetUtcNow().UtcTicks - Interlocked.Read(ref _lastYes) < Remembered.Ticks;

    public void Hear(BookingReported report)
    {
        var now = clock.GetUtcNow();
        if (report.Backlog > options.Value.BacklogLimit)
            Interlocked.Exchange(ref _lastYes, DateTimeOffset.MinValue.UtcTicks);
        // One that was long under way says nothing about now.
        else if (report.IsOpen && now - report.At < Remembered + Rooms.ClockSkew)
            Interlocked.Exchange(ref _lastYes, now.UtcTicks);
    }
}
