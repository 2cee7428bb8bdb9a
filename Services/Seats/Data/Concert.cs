namespace ConcertSaga.Seats.Data;

/// <summary>A show, with its venue and the times of its sale.</summary>
public sealed class Concert
{
    /// <summary>The time zone of concerts whose plan names none.</summary>
    public const string DefaultTimeZone = "UTC";

    /// <summary>Chosen by the operator who imports the concert, not by the database.</summary>
    public required int ConcertId { get; init; }

    public required string Title { get; init; }

    public required string Venue { get; init; }

    public required DateTimeOffset SaleOpensAt { get; init; }

    /// <summary>From this instant on, holds are refused.</summary>
    public required DateTimeOffset SaleClosesAt { get; init; }

    /// <summary>The IANA name of the venue's time zone, such as <c>Asia/Seoul</c>. Pages show the concert's times in it.</summary>
    public string TimeZone { get; init; } = DefaultTimeZone;

    public List<Schedule> Schedules { get; init; } = [];
}
