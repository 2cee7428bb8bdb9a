namespace ConcertSaga.Seats.Data;

/// <summary>
/// One date of a concert. Its row is the lock of its seats: every change of them first raises <see cref="Version"/>, so changes of one date
/// happen one after the other, and <see cref="AvailableSeats"/> is exact without counting.
/// </summary>
public sealed class Schedule
{
    /// <summary>Given by whoever publishes the date, not by the database.</summary>
    public required int ScheduleId { get; init; }

    public int ConcertId { get; init; }

    public Concert? Concert { get; init; }

    public required DateTimeOffset StartsAt { get; init; }

    public required int TotalSeats { get; init; }

    public required int AvailableSeats { get; init; }

    /// <summary>Grows by one with each change of the date's seats.</summary>
    public long Version { get; init; }

    public List<Seat> Seats { get; init; } = [];
}
