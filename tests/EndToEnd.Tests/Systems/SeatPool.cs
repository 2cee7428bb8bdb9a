namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Seats of one date.</summary>
/// <param name="ScheduleId">The date.</param>
/// <param name="Numbers">The seats, ascending.</param>
public sealed record SeatsOfDate(int ScheduleId, int[] Numbers)
{
    // The demo data: three concerts of thirty dates each.
    private const int DatesPerConcert = 30;

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
    private SeatsOfDate? _open;

    /// <summary>A whole date.</summary>
    public SeatsOfDate TakeDate()
    {
        lock (_gate)
        {
            return ++_nextDate <= Dates
                ? new SeatsOfDate(_nextDate, [.. Enumerable.Range(1, SeatsPerDate)])
                : throw new InvalidOperationException("The demo data has no more dates.");
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
