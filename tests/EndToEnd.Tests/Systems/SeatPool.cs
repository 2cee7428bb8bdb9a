namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Seats of one schedule.</summary>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="Numbers">The seat numbers in ascending order.</param>
public sealed record SeatSelection(int ScheduleId, int[] Numbers)
{
    // The demo data: three concerts with thirty schedules each.
    private const int SchedulesPerConcert = 30;

    /// <summary>The last concert of the demo data.</summary>
    public const int LastConcert = 3;

    /// <summary>The concert of a schedule of the demo data.</summary>
    public static int ConcertOf(int scheduleId) => (scheduleId - 1) / SchedulesPerConcert + 1;
}

/// <summary>Hands out each seat of the demo data once, so tests on one system do not compete.</summary>
public sealed class SeatPool
{
    /// <summary>Seats of each schedule of the demo data.</summary>
    public const int SeatsPerSchedule = 50;

    private const int Schedules = 90;

    private readonly Lock _gate = new();
    private int _nextSchedule;
    private int _lastSchedule = Schedules + 1;
    private SeatSelection? _open;

    /// <summary>Takes a whole schedule.</summary>
    public SeatSelection TakeSchedule()
    {
        lock (_gate)
        {
            return ++_nextSchedule < _lastSchedule
                ? new SeatSelection(_nextSchedule, [.. Enumerable.Range(1, SeatsPerSchedule)])
                : throw new InvalidOperationException("The demo data has no more schedules.");
        }
    }

    /// <summary>Takes a whole schedule of the last concert, for tests that change its waiting room.</summary>
    public SeatSelection TakeScheduleOfLastConcert()
    {
        lock (_gate)
        {
            return --_lastSchedule > _nextSchedule && SeatSelection.ConcertOf(_lastSchedule) == SeatSelection.LastConcert
                ? new SeatSelection(_lastSchedule, [.. Enumerable.Range(1, SeatsPerSchedule)])
                : throw new InvalidOperationException("The last concert has no more schedules.");
        }
    }

    /// <summary>Takes a few seats of one schedule.</summary>
    public SeatSelection Take(int count)
    {
        lock (_gate)
        {
            if (_open is null || _open.Numbers.Length < count)
                _open = TakeSchedule();
            var taken = new SeatSelection(_open.ScheduleId, _open.Numbers[..count]);
            _open = _open with { Numbers = _open.Numbers[count..] };
            return taken;
        }
    }
}
