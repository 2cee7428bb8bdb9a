using System.Globalization;
using System.Text;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary><c>docs/index-study.md</c>, all of which is written from what was measured.</summary>
internal static class StudyDocument
{
    public static async Task<string> WriteAsync(
        Catalogue catalogue, int reservations, List<StudyResult> results, List<ScheduleResult> schedules, (Explained Free, Explained FreeOfDate, double Megabytes) status,
        List<WriteCost> costs, (string Table, double Megabytes, double Rows, string Memory, string Version)[] sizes, string coldness, bool write)
    {
        var text = new StringBuilder();
        Add($"""
            # What each index is worth

            Written by `dotnet run -c Release --project benchmarks -- index-study --write`; the sentences around the figures are by hand and hold for
            the sizes named here. {Machine.Describe()}; PostgreSQL {sizes[0].Version.Split(' ')[0]} with its durable defaults ({sizes[0].Memory} of memory of its own).

            {catalogue.Concerts:#,0} concerts, {catalogue.Schedules:#,0} schedules ({sizes[1].Megabytes:0} MB, {sizes[1].Megabytes * 1048576 / sizes[1].Rows:0} bytes a row), {catalogue.Seats:#,0} seats ({sizes[0].Megabytes:0} MB, {sizes[0].Megabytes * 1048576 / sizes[0].Rows:0} bytes a row),
            {reservations:#,0} reservations with their holds. The dates of a concert are spread over the table, as they are when concerts are published over time.

            ## The product's queries

            The statements are not typed here: the services were asked once for each, over HTTP or by command, and what they sent was taken down. Times are
            the server's own (`EXPLAIN (ANALYZE, BUFFERS)`, planning included), each run with other parameters. Without: the index is dropped in a
            transaction that is rolled back. *Warm*: after as many runs before, so that pages are in PostgreSQL's memory or the system's. *Cold*:
            {coldness}; the first of twenty runs, and their median. Pages have 8 KB.

            """);
        var table = new Table("query", "index", "MB", "rows", "warm ms", "p99", "pages", "without ms", "pages", "times", "cold ms, first", "median", "cold without");
        foreach (var one in results)
            table.Add(one.Case.Name, $"`{one.Case.Index}`", F(one.IndexMegabytes, "#,0.#"), F(one.With.Rows, "0.#"), Explained.Text(one.With.Median), Explained.Text(one.With.Late), F(one.With.Buffers, "#,0"),
                Explained.Text(one.Without.Median), F(one.Without.Buffers, "#,0"), F(one.Without.Median / one.With.Median, one.Without.Median / one.With.Median < 10 ? "0.0" : "#,0"),
                Explained.Text(one.ColdWith.Milliseconds[0]), Explained.Text(one.ColdWith.Median), Explained.Text(one.ColdWithout.Median));
        Add($"{table}");
        Add($"""
            The seat query at {catalogue.Seats:#,0} seats: p99 **{Explained.Text(results[0].With.Late)} ms** in the database (at most 5 is asked for), **{results[0].Without.Median / results[0].With.Median:#,0} times** faster than without its index.
            The release of a reservation's seats is the one query an index does nothing for: by the key it looks through the seats of one date. The product had that
            index (`ReservationId`, where it is not null) until this study, and does without it now; why, is under "What an index costs".
            "Expired holds" are overdue reservations: a hold ends when the saga that asked for it says so, and Seats has no deadlines of its own.

            """);
        var (queries, wins) = (new List<Bar>(), "");
        foreach (var one in results)
            queries.Add(new Bar(one.Case.Name.Length > 26 ? one.Case.Name[..25] + "…" : one.Case.Name, [Math.Log10(Math.Max(1, one.Without.Median / one.With.Median))], $"{one.Without.Median / one.With.Median:#,0.#} times"));
        wins = BarChart.Draw("How many times faster with the index (warm, a tenfold for each same length)", queries);
        foreach (var one in results)
            Plans(one.Case.Name, one.Case.Statement.Text, one.With.Plan, one.Without.Plan);

        Add($"""

            ## Why 1,000,000 schedules showed nothing

            The experiment this product comes from put an index on a million schedules, saw no gain and left it out; on ten million seats the same idea was
            dramatic. Here is a million schedules asked in several ways, without an index and with one made for the question (statements of this study).

            """);
        var shapes = new Table("what is asked for", "rows", "without ms", "pages", "with ms", "pages", "times", "plan with the index");
        foreach (var one in schedules)
            shapes.Add(one.Name, F(one.With.Rows, "#,0"), Explained.Text(one.Without.Median), F(one.Without.Buffers, "#,0"), Explained.Text(one.With.Median), F(one.With.Buffers, "#,0"),
                F(one.Without.Median / one.With.Median, "#,0.0"), Top(one.With.Plan));
        Add($"{shapes}");
        Add($"""
            - **Selectivity.** "Dates from now on" are nearly all dates. An index cannot save reading what is asked for: where the share is large the planner
              leaves the index alone, and where it does not, it reads about as many pages as before and jumps between them. The gain comes with
              a condition that few rows meet, which is the concert and not the date.
            - **Size and a warm cache.** A schedule has {sizes[1].Megabytes * 1048576 / sizes[1].Rows:0} bytes, the whole table {sizes[1].Megabytes:0} MB. It lies in memory after the first look, and reading all of it takes {Explained.Text(schedules[4].Without.Median)} ms, which
              hardly shows on a question that is asked once, by hand, over a network. The {sizes[0].Megabytes:0} MB of the seats do not fit PostgreSQL's own memory, and take {Explained.Text(results[0].Without.Median)} ms.
            - **What is in the select list.** With all columns, each row found by the index costs a visit to the table, and the dates of a concert lie on pages of their
              own. With columns that the index has, the table is not visited at all.
            - **How many are taken.** The product asks for a page in the order of the index: {Explained.Text(schedules[5].With.Median)} ms and {schedules[5].With.Buffers:0} pages, against {Explained.Text(schedules[5].Without.Median)} ms. With a hundred requests a
              second the one is nothing and the other is all processors. That is why the index is there, though one query by hand hardly shows it.

            """);
        Plans(schedules[0].Name, "", schedules[0].With.Plan, schedules[0].Without.Plan);
        Plans(schedules[5].Name, "", schedules[5].With.Plan, schedules[5].Without.Plan);

        Add($"""

            ## What an index costs

            Holds of two seats and their sale, by the product's two updates, on a copy of some dates; one connection, and a commit for 500 cycles, so that the disk has
            little part in it. Bytes logged include whole pages at their first change after a checkpoint. A *hot* update finds room on its page and changes no indexed column; then no index is touched at all (`n_tup_hot_upd`).

            """);
        var writes = new Table("indexes", "µs an update", "bytes logged", "hot", "MB of indexes");
        foreach (var one in costs)
            writes.Add(one.Name, F(one.Microseconds, "0"), F(one.LogBytes, "#,0"), F(one.HotShare, "0 %"), F(one.IndexMegabytes, "0.0"));
        Add($"{writes}");
        var log = BarChart.Draw("Bytes written ahead for an update of a seat", [.. costs.Select(one => new Bar(one.Name.Replace(", pages 80 % full", ", 80 %", StringComparison.Ordinal).Replace(" (the product)", "", StringComparison.Ordinal), [one.LogBytes], $"{one.LogBytes:0}, {one.HotShare:0 %} hot"))]);
        var (plain, roomy, roomyReservation, roomyStatus) = (costs[0], costs[4], costs[5], costs[6]);
        Add($"""
            The index of the reservation, which no query needs, makes half of these updates cold: {roomyReservation.HotShare:0 %} are hot with it and {roomy.HotShare:0 %} without, at {roomyReservation.LogBytes / roomy.LogBytes:0.0} times
            the bytes logged. That is why the product's seats have no index but their key, and pages that a load fills to 80 %
            ([decision 12](decisions/0012-seats-at-scale.md)); the room costs a quarter more pages.

            ## One that hurts: status alone

            `CREATE INDEX ON "Seats" ("Status")` takes {status.Megabytes:0} MB. There are three statuses, and most seats are available: asked for those, the planner answers with {Top(status.Free.Plan)}
            ({Explained.Text(status.Free.Median)} ms); asked for those of one date with this index alone, with {Top(status.FreeOfDate.Plan)} ({Explained.Text(status.FreeOfDate.Median)} ms against {Explained.Text(results[0].With.Median)} ms by the key).
            Nothing gets faster, and every hold, sale and release changes the status: none of them can be hot any more. With room on the pages {roomy.HotShare:0 %} of the updates are hot
            without it and {roomyStatus.HotShare:0 %} with it, at {roomyStatus.LogBytes / roomy.LogBytes:0.0} times the bytes logged. On pages that a load has filled to the brim there is no room
            for the first new version, and {plain.HotShare:0 %} are hot even with the key alone.

            """);
        Plans("available seats, with an index of the status alone", "", status.Free.Plan, status.FreeOfDate.Plan, "all", "of one date");
        if (write)
        {
            Add($"{await PerformanceDocument.WritePictureAsync("index-study-queries", "How many times faster with the index", wins)}");
            Add($"{await PerformanceDocument.WritePictureAsync("index-study-writes", "Bytes written ahead for an update of a seat", log)}");
            await File.WriteAllTextAsync(Path.Combine(Repository.Root, "docs", "index-study.md"), text.ToString().ReplaceLineEndings("\n").TrimEnd('\n') + "\n");
        }
        return text.ToString();

        void Add(FormattableString part) => text.AppendLine(part.ToString(CultureInfo.InvariantCulture));

        void Plans(string name, string statement, string with, string without, string first = "with the index", string second = "without")
        {
            Add($"<details><summary>{name}: plans</summary>");
            Add($"");
            Add($"```sql");
            foreach (var part in new[] { statement, $"-- {first}", with, $"-- {second}", without }.Where(part => part.Length > 0))
                Add($"{part}");
            Add($"```");
            Add($"</details>");
            Add($"");
        }
    }

    // "Index Scan using …" and the like: the first node that reads a table.
    private static string Top(string plan) =>
        plan.Split('\n').Select(line => line.Trim().Replace("->", "", StringComparison.Ordinal).Trim()).First(line => line.Contains("Scan", StringComparison.Ordinal)).Split(" on ")[0].Split(" using ")[0].Split("  ")[0];

    private static string F(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);
}
