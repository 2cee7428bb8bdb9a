using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// Concerts of a hundred dates each, published over time, so that the dates of a concert do not lie together in their table; and for the
/// first of the dates fifty seats each. Always the same for the same numbers.
/// </summary>
internal sealed record Catalogue(int Schedules, int Seats)
{
    public const int SeatsOfDate = 50, DatesOfConcert = 100;

    // So many dates of each concert are over.
    private const int DatesBefore = 5;

    private static readonly long[] PriceByRow = [150_000, 130_000, 110_000, 90_000, 70_000];

    // Any day will do, and must not change while a run uses what another has loaded.
    private readonly DateTimeOffset _today = new(TimeProvider.System.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);

    public static readonly BulkColumn<int>[] ConcertColumns =
    [
        new("ConcertId") { Number = id => id }, new("Title") { Text = id => $"Concert {id}" }, new("Venue") { Text = id => $"Hall {id % 100}" },
        new("SaleOpensAt") { Instant = _ => DateTimeOffset.UnixEpoch }, new("SaleClosesAt") { Instant = _ => DateTimeOffset.UnixEpoch.AddYears(200) }
    ];

    public static readonly BulkColumn<Date>[] ScheduleColumns =
    [
        new("ScheduleId") { Number = date => date.ScheduleId }, new("ConcertId") { Number = date => date.ConcertId },
        new("StartsAt") { Instant = date => date.StartsAt }, new("TotalSeats") { Number = date => date.Seats },
        new("AvailableSeats") { Number = date => date.Seats }, new("Version") { Amount = _ => 0 }
    ];

    public static readonly BulkColumn<Place>[] SeatColumns =
    [
        new("ScheduleId") { Number = seat => seat.ScheduleId }, new("Number") { Number = seat => seat.Number },
        new("Price") { Amount = seat => seat.Price }, new("Status") { Text = _ => nameof(SeatStatus.Available) }
    ];

    public int Concerts => Math.Max(1, Schedules / DatesOfConcert);

    /// <summary>So many dates have seats: the first ones.</summary>
    public int DatesWithSeats => Seats / SeatsOfDate;

    public long Rows => (long)Concerts + Schedules + Seats;

    /// <summary>The date of a concert, of those it has, from 0.</summary>
    public int ScheduleOf(int concertId, int date) => date * Concerts + concertId;

    public IEnumerable<int> AllConcerts() => Enumerable.Range(1, Concerts);

    public IEnumerable<Date> AllDates() => Enumerable.Range(0, Schedules).Select(place => new Date(
        place + 1, place % Concerts + 1, _today.AddDays(place / Concerts - DatesBefore).AddHours(20), place < DatesWithSeats ? SeatsOfDate : 0));

    public IEnumerable<Place> AllSeats()
    {
        for (var scheduleId = 1; scheduleId <= DatesWithSeats; scheduleId++)
        {
            for (var number = 1; number <= SeatsOfDate; number++)
                yield return new Place(scheduleId, number, PriceByRow[(number - 1) / (SeatsOfDate / PriceByRow.Length)]);
        }
    }

    /// <summary>One date.</summary>
    public readonly record struct Date(int ScheduleId, int ConcertId, DateTimeOffset StartsAt, int Seats);

    /// <summary>One seat.</summary>
    public readonly record struct Place(int ScheduleId, int Number, long Price);
}
