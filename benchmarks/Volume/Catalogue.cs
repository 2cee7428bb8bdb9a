using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// Generates concerts with a hundred schedules each. They are published over time, so that the schedules of a concert are spread over the
/// table. The first schedules have fifty seats each. The same numbers give the same catalogue.
/// </summary>
internal sealed record Catalogue(int Schedules, int Seats)
{
    public const int SeatsPerSchedule = 50, SchedulesPerConcert = 100;

    /// <summary>Schedules of each concert that are over.</summary>
    public const int PastSchedules = 5;

    private static readonly long[] PriceByRow = [150_000, 130_000, 110_000, 90_000, 70_000];

    // Read once: a run over midnight needs the same day throughout.
    private readonly DateTimeOffset _today = new(TimeProvider.System.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);

    public static readonly BulkColumn<int>[] ConcertColumns =
    [
        new("ConcertId", id => id), new("Title", id => $"Concert {id}"), new("Venue", id => $"Hall {id % 100}"),
        new("SaleOpensAt", _ => DateTimeOffset.UnixEpoch), new("SaleClosesAt", _ => DateTimeOffset.UnixEpoch.AddYears(200))
    ];

    public static readonly BulkColumn<ScheduleRow>[] ScheduleColumns =
    [
        new("ScheduleId", schedule => schedule.ScheduleId), new("ConcertId", schedule => schedule.ConcertId),
        new("StartsAt", schedule => schedule.StartsAt), new("TotalSeats", schedule => schedule.Seats),
        new("AvailableSeats", schedule => schedule.Seats), new("Version", _ => 0L)
    ];

    public static readonly BulkColumn<SeatRow>[] SeatColumns =
    [
        new("ScheduleId", seat => seat.ScheduleId), new("Number", seat => seat.Number), new("Price", seat => seat.Price),
        new("Status", _ => nameof(SeatStatus.Available))
    ];

    public int Concerts => Math.Max(1, Schedules / SchedulesPerConcert);

    /// <summary>Number of schedules with seats; they are the first ones.</summary>
    public int SchedulesWithSeats => Seats / SeatsPerSchedule;

    public long Rows => (long)Concerts + Schedules + Seats;

    /// <summary>The id of a concert's schedule, by its index from 0.</summary>
    public int ScheduleOf(int concertId, int index) => index * Concerts + concertId;

    public IEnumerable<int> AllConcerts() => Enumerable.Range(1, Concerts);

    public IEnumerable<ScheduleRow> AllSchedules() => Enumerable.Range(0, Schedules).Select(index => new ScheduleRow(
        index + 1, index % Concerts + 1, _today.AddDays(index / Concerts - PastSchedules).AddHours(20),
        index < SchedulesWithSeats ? SeatsPerSchedule : 0));

    public IEnumerable<SeatRow> AllSeats()
    {
        for (var scheduleId = 1; scheduleId <= SchedulesWithSeats; scheduleId++)
        {
            for (var number = 1; number <= SeatsPerSchedule; number++)
                yield return new SeatRow(scheduleId, number, PriceByRow[(number - 1) / (SeatsPerSchedule / PriceByRow.Length)]);
        }
    }

    /// <summary>A row of the schedules.</summary>
    public readonly record struct ScheduleRow(int ScheduleId, int ConcertId, DateTimeOffset StartsAt, int Seats);

    /// <summary>A row of the seats.</summary>
    public readonly record struct SeatRow(int ScheduleId, int Number, long Price);
}
