using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Data;

/// <summary>Three concerts to try the product with: thirty evenings each from the day after tomorrow, five rows of ten seats.</summary>
internal static class DemoData
{
    private const int Dates = 30;

    private const int SeatsPerRow = 10;

    // In points, from the front row to the last.
    private static readonly long[] PriceByRow = [150_000, 130_000, 110_000, 90_000, 70_000];

    private static readonly (string Title, string Venue, int Hour)[] Programme =
    [
        ("Winter Lights Orchestra", "Riverside Hall", 19),
        ("The Paper Lanterns", "Old Tram Depot", 20),
        ("An Evening of Strings", "Chapel on the Hill", 18)
    ];

    public static async Task SeedAsync(SeatsDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (await database.Concerts.AnyAsync(cancellationToken))
            return;
        database.Concerts.AddRange(Programme.Select((entry, index) => Concert(index, entry.Title, entry.Venue, entry.Hour, now)));
        try
        {
            await database.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException)
        {
            // Another replica that started at the same moment was first.
            database.ChangeTracker.Clear();
            if (!await database.Concerts.AnyAsync(cancellationToken))
                throw;
        }
    }

    private static Concert Concert(int index, string title, string venue, int hour, DateTimeOffset now)
    {
        var first = new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero).AddDays(2).AddHours(hour);
        return new Concert
        {
            ConcertId = index + 1,
            Title = title,
            Venue = venue,
            SaleOpensAt = now,
            SaleClosesAt = first.AddDays(Dates - 1),
            Schedules =
            [
                .. Enumerable.Range(0, Dates).Select(day => new Schedule
                {
                    ScheduleId = index * Dates + day + 1,
                    StartsAt = first.AddDays(day),
                    TotalSeats = PriceByRow.Length * SeatsPerRow,
                    AvailableSeats = PriceByRow.Length * SeatsPerRow,
                    Seats =
                    [
                        .. PriceByRow.SelectMany((price, row) =>
                            Enumerable.Range(row * SeatsPerRow + 1, SeatsPerRow).Select(number => new Seat { Number = number, Price = price }))
                    ]
                })
            ]
        };
    }
}
