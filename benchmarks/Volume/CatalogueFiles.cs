using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Seats.Import;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// A catalogue as the files an organiser would import: the seats in the file that was named, concerts and dates beside it. Written where they
/// are not there yet, and read by the import's own reader.
/// </summary>
internal sealed class CatalogueFiles(string seats, Catalogue catalogue)
{
    private readonly Dictionary<int, int> _seatsOfDate = [];

    public string Concerts => Path.ChangeExtension(seats, ".concerts.csv");

    public string Schedules => Path.ChangeExtension(seats, ".schedules.csv");

    public async Task WriteMissingAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(Concerts))
            await WriteAsync(Concerts, "concertId,title,venue,saleOpensAt,saleClosesAt",
                catalogue.AllConcerts().Select(id => $"{id},Concert {id},Hall {id % 100},1970-01-01T00:00:00Z,2170-01-01T00:00:00Z"), cancellationToken);
        if (!File.Exists(Schedules))
            await WriteAsync(Schedules, "scheduleId,concertId,startsAt", catalogue.AllDates().Select(date =>
                string.Create(CultureInfo.InvariantCulture, $"{date.ScheduleId},{date.ConcertId},{date.StartsAt:yyyy-MM-dd'T'HH:mm:ss'Z'}")), cancellationToken);
        if (!File.Exists(seats))
            await WriteAsync(seats, "scheduleId,number,price",
                catalogue.AllSeats().Select(seat => string.Create(CultureInfo.InvariantCulture, $"{seat.ScheduleId},{seat.Number},{seat.Price}")), cancellationToken);
    }

    public IEnumerable<Catalogue.Place> ReadSeats()
    {
        using var plan = Plan.Open(seats);
        foreach (var (scheduleId, number, price) in plan.Seats())
        {
            _seatsOfDate[scheduleId] = _seatsOfDate.GetValueOrDefault(scheduleId) + 1;
            yield return new Catalogue.Place(scheduleId, number, price);
        }
        Refuse(plan);
    }

    public IEnumerable<Catalogue.Date> ReadDates()
    {
        using var plan = Plan.Open(Schedules);
        foreach (var (scheduleId, concertId, startsAt) in plan.Schedules())
            yield return new Catalogue.Date(scheduleId, concertId, startsAt, _seatsOfDate.GetValueOrDefault(scheduleId));
        Refuse(plan);
    }

    private static void Refuse(Plan plan)
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
