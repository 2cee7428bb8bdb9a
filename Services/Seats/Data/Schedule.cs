namespace ConcertSaga.Seats.Data;

/// <summary>
/// One dated performance of a concert. Its row is the lock of its seats. So changes of one schedule happen one after another, and
/// <see cref="AvailableSeats"/> is exact without counting.
/// </summary>
public sealed class Schedule
{
    /// <summary>Chosen by the operator who imports the schedule, not by the database.</summary>
    public required int ScheduleId { get; init; }

    public int ConcertId { get; init; }

    public Concert? Concert { get; init; }

    public required DateTimeOffset StartsAt { get; init; }

    public required int TotalSeats { get; init; }

    public required int AvailableSeats { get; set; }

    /// <summary>The plan of the hall; null if there is none.</summary>
    public string? VenuePlanId { get; init; }

    /// <summary>When an operator cancelled it. From then on, holds are refused.</summary>
    public DateTimeOffset? CancelledAt { get; init; }

    /// <summary>Grows by one with each commit that changes seats, and by two with each change of the schedule itself.</summary>
    public long Version { get; set; }

    /// <summary>Whether its seats can be held. Needs <see cref="Concert"/>.</summary>
    public bool IsOnSaleAt(DateTimeOffset now) => now >= Concert!.SaleOpensAt && now < Concert.SaleClosesAt && now < StartsAt;

    public List<Seat> Seats { get; init; } = [];
}
