namespace ConcertSaga.Seats.Import;

/// <summary>A concert of a plan. A position is the place of a row's file among all and, in the lower half, the row's line.</summary>
internal readonly record struct ConcertRow(long Position, int ConcertId, string Title, string Venue, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt);

/// <summary>A date of a plan.</summary>
internal readonly record struct ScheduleRow(long Position, int ScheduleId, int ConcertId, DateTimeOffset StartsAt);

/// <summary>A seat of a plan.</summary>
internal readonly record struct SeatRow(long Position, int ScheduleId, int Number, long Price);

/// <summary>What a file of a plan holds, known by the columns its first line names; in the order they depend on each other.</summary>
internal enum PlanKind
{
    Concerts,
    Schedules,
    Seats
}

/// <summary>The columns of each kind of file.</summary>
internal static class PlanColumns
{
    public static readonly string[] Concerts = ["concertId", "title", "venue", "saleOpensAt", "saleClosesAt"];

    public static readonly string[] Schedules = ["scheduleId", "concertId", "startsAt"];

    public static readonly string[] Seats = ["scheduleId", "number", "price"];

    public static string[] Of(PlanKind kind) => kind switch
    {
        PlanKind.Concerts => Concerts,
        PlanKind.Schedules => Schedules,
        _ => Seats
    };
}
