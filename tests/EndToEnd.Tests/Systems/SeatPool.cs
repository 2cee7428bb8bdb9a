namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Seats of one date.</summary>
/// <param name="ScheduleId">The date.</param>
/// <param name="Numbers">The seats, ascending.</param>
public sealed record SeatsOfDate(int ScheduleId, int[] Numbers)
{
    // The demo data: three concerts of thirty dates each.
    private const int DatesPerConcert = 30;

    /// <summary>The last concert of the demo data.</summary>
    public const int LastConcert = 3;

    /// <summary>The concert of a date of the demo data.</summary>
    public static int ConcertOf(int scheduleId) => (scheduleId - 1) / DatesPerConcert + 1;
}

/// <summary>Hands out seats of the demo data, each once, so that tests on one system do not meet.</summary>
public sealed class SeatPool
{
    /// <summary>Seats of a date of the demo data.</summary>
    public const int SeatsPerDate = 50;

    private const int Dates = 90;

    private readonly Lock _gate = new();
    private int _nextDate;
    private int _lastDate = Dates + 1;
    private SeatsOfDate? _open;

    /// <summary>A whole date.</summary>
    public SeatsOfDate TakeDate()
    {
        lock (_gate)
        {
            return ++_nextDate < _lastDate
                ? new SeatsOfDate(_nextDate, [.. Enumerable.Range(1, SeatsPerDate)])
                : throw new InvalidOperationException("The demo data has no more dates.");
        }
    }

    /// <summary>A whole date of the last concert, for tests that change its waiting room.</summary>
    public SeatsOfDate TakeDateOfLastConcert()
    {
        lock (_gate)
        {
            return --_lastDate > _nextDate && SeatsOfDate.ConcertOf(_lastDate) == SeatsOfDate.LastConcert
                ? new SeatsOfDate(_lastDate, [.. Enumerable.Range(1, SeatsPerDate)])
                : throw new InvalidOperationException("The last concert has no more dates.");
        }
    }

    /// <summary>A few seats of one date.</summary>
    public SeatsOfDate Take(int count)
    {
        lock (_gate)
        {
            if (_open is null || _open.Numbers.Length < count)
                _open = TakeDate();
            var taken = new SeatsOfDate(_open.ScheduleId, _open.Numbers[..count]);
            _open = _open with { Numbers = _open.Numbers[count..] };
            return taken;
        }
    }
}
