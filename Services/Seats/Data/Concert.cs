namespace ConcertSaga.Seats.Data;

/// <summary>What is played where, and from when to when its seats are sold.</summary>
public sealed class Concert
{
    /// <summary>Given by whoever publishes the concert, not by the database.</summary>
    public required int ConcertId { get; init; }

    public required string Title { get; init; }

    public required string Venue { get; init; }

    public required DateTimeOffset SaleOpensAt { get; init; }

    /// <summary>From this instant on no seat is held.</summary>
    public required DateTimeOffset SaleClosesAt { get; init; }

    public List<Schedule> Schedules { get; init; } = [];
}
