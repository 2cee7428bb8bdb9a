using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Seats.Import;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// A catalogue as CSV files for the import: the seats in the given file, concerts and schedules beside it. It writes missing files, and
/// reads them with the import's own reader.
/// </summary>
internal sealed class CatalogueCsv(string seats, Catalogue catalogue)
{
    private readonly Dictionary<int, int> _seatsPerSchedule = [];

    public string Concerts => Path.ChangeExtension(seats, ".concerts.csv");

    public string Schedules => Path.ChangeExtension(seats, ".schedules.csv");

    public async Task WriteMissingAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(Concerts))
            await WriteAsync(Concerts, "concertId,title,venue,saleOpensAt,saleClosesAt",
                catalogue.AllConcerts().Select(id => $"{id},Concert {id},Hall {id % 100},1970-01-01T00:00:00Z,2170-01-01T00:00:00Z"),
                    cancellationToken);
        if (!File.Exists(Schedules))
            await WriteAsync(Schedules, "scheduleId,concertId,startsAt", catalogue.AllSchedules().Select(schedule =>
                string.Create(CultureInfo.InvariantCulture,
                    $"{schedule.ScheduleId},{schedule.ConcertId},{schedule.StartsAt:yyyy-MM-dd'T'HH:mm:ss'Z'}")), cancellationToken);
        if (!File.Exists(seats))
            await WriteAsync(seats, "scheduleId,number,price", catalogue.AllSeats().Select(seat =>
                string.Create(CultureInfo.InvariantCulture, $"{seat.ScheduleId},{seat.Number},{seat.Price}")), cancellationToken);
    }

    public IEnumerable<Catalogue.SeatRow> ReadSeats()
    {
        using var plan = Plan.Open(seats);
        foreach (var (scheduleId, number, price) in plan.Seats())
        {
            _seatsPerSchedule[scheduleId] = _seatsPerSchedule.GetValueOrDefault(scheduleId) + 1;
            yield return new Catalogue.SeatRow(scheduleId, number, price);
        }
        ThrowOnError(plan);
    }

    public IEnumerable<Catalogue.ScheduleRow> ReadSchedules()
    {
        using var plan = Plan.Open(Schedules);
        foreach (var (scheduleId, concertId, startsAt) in plan.Schedules())
            yield return new Catalogue.ScheduleRow(scheduleId, concertId, startsAt, _seatsPerSchedule.GetValueOrDefault(scheduleId));
        ThrowOnError(plan);
    }

    private static void ThrowOnError(Plan plan)
    {
        if (plan.Errors is [var first, ..])
            throw new BenchmarkException($"{first}");
    }

    private static async Task WriteAsync(string file, string header, IEnumerable<string> lines, CancellationToken cancellationToken)
    {
        await using var text = new StreamWriter(file);
        text.NewLine = "\n";
        await text.WriteLineAsync(header.AsMemory(), cancellationToken);
        foreach (var line in lines)
            text.WriteLine(line);
    }
}
