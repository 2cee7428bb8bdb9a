using ConcertSaga.Seats.Data;

namespace ConcertSaga.Seats.Import;

/// <summary>A concert of a plan. <c>Position</c> is the index of its file and, in the lower half, the line of the row.</summary>
internal readonly record struct ConcertRow(long Position, int ConcertId, string Title, string Venue, DateTimeOffset SaleOpensAt,
    DateTimeOffset SaleClosesAt, string TimeZone);

/// <summary>A schedule of a plan.</summary>
internal readonly record struct ScheduleRow(long Position, int ScheduleId, int ConcertId, DateTimeOffset StartsAt, string VenuePlan);

/// <summary>A row of seats in a hall.</summary>
internal readonly record struct VenuePlanRow(long Position, string VenuePlan, string Section, VenueRow Row);

/// <summary>A seat of a plan.</summary>
internal readonly record struct SeatRow(long Position, int ScheduleId, int Number, long Price);

/// <summary>The kinds of files of a plan, each after those it depends on. The columns in the first line tell the kind.</summary>
internal enum PlanKind
{
    Concerts,
    VenuePlans,
    Schedules,
    Seats
}

/// <summary>The columns of a file: their names, of which the first ones are required.</summary>
internal sealed record PlanColumns(int Required, string[] Names)
{
    public static PlanColumns Of(PlanKind kind) => kind switch
    {
        PlanKind.Concerts => ConcertColumns.All,
        PlanKind.VenuePlans => VenuePlanColumns.All,
        PlanKind.Schedules => ScheduleColumns.All,
        _ => SeatColumns.All
    };

    /// <summary>Returns the first line of such a file, with the optional columns in brackets.</summary>
    public override string ToString() =>
        string.Join(',', Names[..Required]) + string.Concat(Names[Required..].Select(name => $"[,{name}]"));
}

/// <summary>The columns of a file of concerts: the index of each, and all of them.</summary>
internal static class ConcertColumns
{
    public const int ConcertId = 0, Title = 1, Venue = 2, SaleOpensAt = 3, SaleClosesAt = 4, TimeZone = 5;

    public static readonly PlanColumns All = new(5, ["concertId", "title", "venue", "saleOpensAt", "saleClosesAt", "timeZone"]);
}

/// <summary>The columns of a file of venue plans.</summary>
internal static class VenuePlanColumns
{
    public const int VenuePlan = 0, Section = 1, Row = 2, FirstSeat = 3, LastSeat = 4, FirstLabel = 5, LabelStep = 6, PriceGroup = 7,
        Accessible = 8, Companion = 9, RestrictedView = 10;

    public static readonly PlanColumns All = new(5,
    [
        "venuePlan", "section", "row", "firstSeat", "lastSeat", "firstLabel", "labelStep", "priceGroup", "accessible", "companion",
        "restrictedView"
    ]);
}

/// <summary>The columns of a file of schedules.</summary>
internal static class ScheduleColumns
{
    public const int ScheduleId = 0, ConcertId = 1, StartsAt = 2, VenuePlan = 3;

    public static readonly PlanColumns All = new(3, ["scheduleId", "concertId", "startsAt", "venuePlan"]);
}

/// <summary>The columns of a file of seats.</summary>
internal static class SeatColumns
{
    public const int ScheduleId = 0, Number = 1, Price = 2;

    public static readonly PlanColumns All = new(3, ["scheduleId", "number", "price"]);
}
