using System.Globalization;
using System.Text;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Writes <c>docs/index-study.md</c> and the plans beside it from the figures of a study.</summary>
internal sealed class StudyDocument
{
    private const string QueriesTitle = "Speed-up by the index", WritesTitle = "Write-ahead log bytes per seat update";

    private readonly StudyFigures _figures;
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _plans = new();

    public StudyDocument(StudyFigures figures)
    {
        _figures = figures;
        AddHead();
        AddQueries();
        AddSchedules();
        AddScheduleNotes();
        AddWrites();
        AddStatus();
    }

    public string Text => _text.ToString();

    /// <summary>Writes the document, its pictures and the file of the plans.</summary>
    /// <returns>The text of the document.</returns>
    public async Task<string> WriteAsync()
    {
        Add($"{await PerformanceDocument.WritePictureAsync("index-study-queries", QueriesTitle, DrawQueries())}");
        Add($"{await PerformanceDocument.WritePictureAsync("index-study-writes", WritesTitle, DrawWrites())}");
        await WriteFileAsync("index-study.md", _text);
        await WriteFileAsync("index-study-plans.txt", _plans);
        return Text;

        static Task WriteFileAsync(string name, StringBuilder text) => File.WriteAllTextAsync(
            Path.Combine(Repository.Root, "docs", name), text.ToString().ReplaceLineEndings("\n").TrimEnd('\n') + "\n");
    }

    private void AddHead()
    {
        var catalogue = _figures.Catalogue;
        var seats = _figures.SeatTable;
        var schedules = _figures.ScheduleTable;
        var seatMap = _figures.Queries[0];
        Add($"""
            # The value of each index

            - The seat map of one schedule among {catalogue.Seats:#,0} seats takes p99 **{Time(seatMap.With.P99)} ms** in the database
              (limit: 5), **{seatMap.SpeedUp:#,0} times** faster than without its index.
            - An index helps if few rows meet its condition. On a million schedules, "from now on" gains nothing; "of this concert" does.
            - `Seats` has no index but its key. One by reservation speeds up no query, and makes half of the updates cold.

            `dotnet run -c Release --project benchmarks -- index-study --write` writes this page, its pictures, and the
            [statements and plans](index-study-plans.txt). The sentences are written by hand and hold for these sizes:

            {Machine.Describe()};
            PostgreSQL {seats.ServerVersion.Split(' ')[0]} with its durable defaults ({seats.SharedBuffers} of shared buffers).

            {catalogue.Concerts:#,0} concerts;
            {catalogue.Schedules:#,0} schedules ({schedules.Megabytes:0} MB, {schedules.BytesPerRow:0} bytes per row), those of a concert
            spread over the table;
            {catalogue.Seats:#,0} seats ({seats.Megabytes:0} MB, {seats.BytesPerRow:0} bytes per row);
            {_figures.Reservations:#,0} reservations with their holds.

            ## The product's queries

            The study calls each service once and captures its statements. Times are the server's own (`EXPLAIN (ANALYZE, BUFFERS)`,
            planning included); each run has other parameters. A page has 8 KB.

            - *Without*: a transaction drops the index and is rolled back.
            - *Warm*: the same number of runs went before, so the pages are cached.
            - *Cold*: {_figures.ColdMethod};
              the table has the first of twenty runs and their median.

            """);
    }

    private void AddQueries()
    {
        var table = new Table(
            "query", "index", "MB", "rows", "warm ms", "p99", "pages", "without ms", "pages", "times", "cold ms, first", "median",
                "cold without");
        foreach (var query in _figures.Queries)
        {
            table.Add(query.Case.Name, $"`{query.Case.Index}`", Format(query.IndexMegabytes, "#,0.#"), Format(query.With.Rows, "0.#"),
                Time(query.With.Median), Time(query.With.P99), Format(query.With.Buffers, "#,0"),
                Time(query.Without.Median), Format(query.Without.Buffers, "#,0"), Format(query.SpeedUp, query.SpeedUp < 10 ? "0.0" : "#,0"),
                Time(query.ColdWith.Milliseconds[0]), Time(query.ColdWith.Median), Time(query.ColdWithout.Median));
            AddPlans(query.Case.Name, ("statement", query.Case.Statement.Text), ("with the index", query.With.Plan),
                ("without", query.Without.Plan));
        }
        Add($"{table}\n");
    }

    private void AddSchedules()
    {
        Add($"""
            ## Why 1,000,000 schedules showed nothing

            This table queries schedules in several ways, without an index and with one made for the query. The statements are this study's.

            """);
        var table = new Table("query", "rows", "without ms", "pages", "with ms", "pages", "times", "plan with the index");
        foreach (var query in _figures.Schedules)
        {
            table.Add(query.Name, Format(query.With.Rows, "#,0"), Time(query.Without.Median), Format(query.Without.Buffers, "#,0"),
                Time(query.With.Median), Format(query.With.Buffers, "#,0"), Format(query.Without.Median / query.With.Median, "#,0.0"),
                ScanOf(query.With.Plan));
        }
        Add($"{table}");
    }

    private void AddScheduleNotes()
    {
        var schedules = _figures.Schedules;
        var table = _figures.ScheduleTable;
        var oneConcert = schedules[4];
        var nextPage = schedules[5];
        Add($"""
            - **Selectivity.** An index cannot avoid reading the rows of the result. If most rows qualify, the planner ignores it.
            - **Size and a warm cache.** The whole table is {table.Megabytes:0} MB. Once cached, reading all of it takes
              {Time(oneConcert.Without.Median)} ms, which a single query by hand hardly shows.
              The {_figures.SeatTable.Megabytes:0} MB of seats exceed the shared buffers and take
              {Time(_figures.Queries[0].Without.Median)} ms.
            - **The select list.** If the index has all columns, the table is not read. Each schedule of a concert is on another page.
            - **The number of rows.** The product reads one page in the order of the index:
              {Time(nextPage.With.Median)} ms and {nextPage.With.Buffers:0} pages, against {Time(nextPage.Without.Median)} ms.
              At a hundred requests per second the latter takes every processor, so the index exists.

            """);
        foreach (var query in new[] { schedules[0], nextPage })
            AddPlans(query.Name, ("with the index", query.With.Plan), ("without", query.Without.Plan));
    }

    private void AddWrites()
    {
        Add($"""
            ## What an index costs

            The test holds a seat and sells it, with the product's two updates, and commits every 500 cycles, so the disk matters
            little. A *hot* update (`n_tup_hot_upd`) finds space on its page and changes no indexed column, so it updates no index.

            """);
        var table = new Table("indexes", "µs per update", "logged bytes", "hot", "MB of indexes");
        foreach (var cost in _figures.Costs)
            table.Add(cost.Name, Format(cost.Microseconds, "0"), Format(cost.LogBytes, "#,0"), Format(cost.HotShare, "0 %"),
                Format(cost.IndexMegabytes, "0.0"));
        Add($"{table}");
        var fullPages = _figures.Costs[0];
        var keyOnly = _figures.Costs[4];
        var byReservation = _figures.Costs[5];
        Add($"""
            With free space on the pages, {keyOnly.HotShare:0 %} of the updates are hot with only the key;
            with the index by reservation {byReservation.HotShare:0 %}, at {byReservation.LogBytes / keyOnly.LogBytes:0.0} times the
            logged bytes. On full pages the first new version finds no space: {fullPages.HotShare:0 %} are hot with only the key.
            So a load fills pages to 80 % ([decision 12](decisions/0012-seats-at-scale.md)), which costs a quarter more pages.

            """);
    }

    private void AddStatus()
    {
        var status = _figures.Status;
        var byStatus = _figures.Costs[6];
        Add($"""
            ## A harmful index: status alone

            `CREATE INDEX ON "Seats" ("Status")` takes {status.Megabytes:0} MB. There are three statuses, and most seats are available.
            For all available seats, the planner uses {ScanOf(status.Free.Plan)} ({Time(status.Free.Median)} ms);
            for those of one schedule, with only this index, it uses {ScanOf(status.FreeInSchedule.Plan)}
            ({Time(status.FreeInSchedule.Median)} ms against {Time(_figures.Queries[0].With.Median)} ms by the key).

            Each hold, sale and release changes the status, so {byStatus.HotShare:0 %} of them are hot,
            at {byStatus.LogBytes / _figures.Costs[4].LogBytes:0.0} times the logged bytes.

            """);
        AddPlans("available seats, with an index of the status alone", ("all", status.Free.Plan),
            ("of one schedule", status.FreeInSchedule.Plan));
    }

    private void AddPlans(string name, params (string Heading, string Text)[] parts)
    {
        _plans.AppendLine(CultureInfo.InvariantCulture, $"==== {name}").AppendLine();
        foreach (var (heading, text) in parts)
            _plans.AppendLine(CultureInfo.InvariantCulture, $"-- {heading}").AppendLine(text).AppendLine();
    }

    private string DrawQueries() => BarChart.Draw(
        $"{QueriesTitle} (warm, logarithmic scale)",
        [.. _figures.Queries.Select(query => new Bar(Short(query.Case.Name), [Math.Log10(Math.Max(1, query.SpeedUp))],
            $"{query.SpeedUp:#,0.#} times"))]);

    private string DrawWrites() => BarChart.Draw(
        WritesTitle,
            [.. _figures.Costs.Select(cost => new Bar(ShortCost(cost.Name), [cost.LogBytes],
            $"{cost.LogBytes:0}, {cost.HotShare:0 %} hot"))]);

    private static string Short(string name) => name.Length > 26 ? name[..25] + "…" : name;

    private static string ShortCost(string name) =>
        name.Replace(", pages 80 % full", ", 80 %", StringComparison.Ordinal).Replace(" (the product)", "", StringComparison.Ordinal);

    // The first node that reads a table, such as "Index Scan using …".
    private static string ScanOf(string plan)
    {
        var node = plan.Split('\n').Select(line => line.Trim().Replace("->", "", StringComparison.Ordinal).Trim())
            .First(line => line.Contains("Scan", StringComparison.Ordinal));
        return node.Split(" on ")[0].Split(" using ")[0].Split("  ")[0];
    }

    private static string Time(double milliseconds) => ExplainResult.Text(milliseconds);

    private static string Format(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);

    private void Add(FormattableString part) => _text.AppendLine(part.ToString(CultureInfo.InvariantCulture));
}
