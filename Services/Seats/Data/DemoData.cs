using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Data;

/// <summary>
/// Creates three concerts for trying the product: thirty evenings each from the day after tomorrow, in halls of five rows of ten seats.
/// Each hall has its own time zone.
/// </summary>
internal static class DemoData
{
    private const int SchedulesPerConcert = 30;

    private const int SeatsPerRow = 10;

    // In points, from the front row to the last.
    private static readonly long[] PriceByRow = [150_000, 130_000, 110_000, 90_000, 70_000];

    // Three rows in the stalls and two in the balcony, with seats of all kinds.
    private static readonly VenuePlan Hall = VenuePlan.Of(new VenuePlanView(
    [
        new VenueSection("Stalls", [Row("A", 1, [1, 2], [3]), Row("B", 2, [], []), Row("C", 3, [], [])]),
        new VenueSection("Balcony", [Row("D", 4, [], []), Row("E", 5, [], [], 41, 50)])
    ]));

    private static readonly (string Title, string Venue, int Hour, string TimeZone)[] Programme =
    [
        ("Winter Lights Orchestra", "Riverside Hall", 19, "Asia/Seoul"),
        ("The Paper Lanterns", "Old Tram Depot", 20, "Europe/London"),
        ("An Evening of Strings", "Chapel on the Hill", 18, "America/New_York")
    ];

    public static async Task SeedAsync(SeatsDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (await database.Concerts.AnyAsync(cancellationToken))
            return;
        if (!await database.VenuePlans.AnyAsync(plan => plan.VenuePlanId == Hall.VenuePlanId, cancellationToken))
            database.VenuePlans.Add(Hall);
        database.Concerts.AddRange(Programme.Select((entry, index) => Concert(index, entry, now)));
        try
        {
            await database.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException)
        {
            // Another replica started at the same moment and was faster.
            database.ChangeTracker.Clear();
            if (!await database.Concerts.AnyAsync(cancellationToken))
                throw;
        }
    }

    // Each row has a price, and so a price group.
    private static VenueRow Row(string name, int index, int[] accessible, int[] companion, params int[] restrictedView) => new(
        name, ((index - 1) * SeatsPerRow) + 1, index * SeatsPerRow, 1, 1, name, accessible, companion, restrictedView);

    private static Concert Concert(int index, (string Title, string Venue, int Hour, string TimeZone) entry, DateTimeOffset now)
    {
        // A machine without time zones can still try the product.
        var zone = TimeZoneInfo.TryFindSystemTimeZoneById(entry.TimeZone, out var found) ? found : TimeZoneInfo.Utc;
        var first = now.UtcDateTime.Date.AddDays(2).AddHours(entry.Hour);
        return new Concert
        {
            ConcertId = index + 1,
            Title = entry.Title,
            Venue = entry.Venue,
            SaleOpensAt = now,
            SaleClosesAt = StartOf(SchedulesPerConcert - 1),
            TimeZone = zone.Id,
            Schedules =
            [
                .. Enumerable.Range(0, SchedulesPerConcert).Select(day => new Schedule
                {
                    ScheduleId = index * SchedulesPerConcert + day + 1,
                    StartsAt = StartOf(day),
                    TotalSeats = PriceByRow.Length * SeatsPerRow,
                    VenuePlanId = Hall.VenuePlanId,
                    AvailableSeats = PriceByRow.Length * SeatsPerRow,
                    Seats =
                    [
                        .. PriceByRow.SelectMany((price, row) =>
                            Enumerable.Range(row * SeatsPerRow + 1, SeatsPerRow)
                                .Select(number => new Seat { Number = number, Price = price }))
                    ]
                })
            ]
        };

        // The same hour by the hall's clock each day, also when daylight saving begins or ends between two days.
        DateTimeOffset StartOf(int day)
        {
            var local = DateTime.SpecifyKind(first.AddDays(day), DateTimeKind.Unspecified);
            return new DateTimeOffset(local, zone.GetUtcOffset(local)).ToUniversalTime();
        }
    }
}
