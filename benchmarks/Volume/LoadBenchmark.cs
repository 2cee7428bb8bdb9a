using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>A load, how much memory it took, and in the same run the same rows by <c>psql</c>.</summary>
internal static class LoadBenchmark
{
    private const double LeastRows = 333_000, MostRatio = 1.5, MostMegabytes = 300;

    public static async Task RunAsync(LoadPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Catalogue.DatesWithSeats > plan.Catalogue.Schedules)
            throw new BenchmarkException($"--seats is {plan.Catalogue.Seats}; allowed: at most {Catalogue.SeatsOfDate} for each schedule.");
        CatalogueFiles? files = null;
        if (plan.Csv is not null)
            await (files = new CatalogueFiles(plan.Csv, plan.Catalogue)).WriteMissingAsync(cancellationToken);
        await using var database = await CatalogueDatabase.CreateAsync(plan.Provider, plan.Address, cancellationToken);
        await SettleAsync(database, cancellationToken);
        var ours = await CatalogueLoad.RunAsync(database, plan.Catalogue, files, cancellationToken);
        var megabytes = ResidentMemory.PeakOf(Environment.ProcessId);

        var table = await TableAsync(plan, database, ours, cancellationToken);
        var text = string.Create(CultureInfo.InvariantCulture, $"""
            {Machine.Describe()}, {plan.Provider}{(plan.Provider == DatabaseProvider.PostgreSql ? " with its durable defaults" : "")}.
            {plan.Catalogue.Concerts:#,0} concerts, {plan.Catalogue.Schedules:#,0} schedules, {plan.Catalogue.Seats:#,0} seats{(files is null ? "" : ", from CSV files")}; the loading process took at most {megabytes:0} MB (at most {MostMegabytes} is asked for).

            {table}
            """);
        await Console.Out.WriteLineAsync(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync(plan.Provider == DatabaseProvider.PostgreSql ? "load" : $"load-{plan.Provider.ToString().ToLowerInvariant()}", text);
    }

    private static async Task<string> TableAsync(LoadPlan plan, CatalogueDatabase database, LoadTimes ours, CancellationToken cancellationToken)
    {
        var table = new Table("what", "rows", "seconds", "rows/s");
        Add(table, "ours", ours);
        foreach (var (what, seconds) in ours.Indexes)
            table.Add($"ours: {what}", "", Text(seconds, "0.00"), "");
        table.Add("ours: ANALYZE, not in the whole", "", Text(ours.Analyze, "0.00"), "");
        if (!plan.Psql)
            return $"{table}{Environment.NewLine}{Judge(ours)}";

        using var psql = new PsqlCopy();
        psql.Write(plan.Catalogue);
        await using var context = database.Context();
        await context.Database.OpenConnectionAsync(cancellationToken);
        var connection = context.Database.GetDbConnection();
        await CatalogueLoad.TruncateAsync(connection, cancellationToken);
        await SettleAsync(database, cancellationToken);
        var bare = await psql.RunAsync(connection, database.Address, keepIndexes: false, cancellationToken);
        Add(table, "psql", bare);
        if (plan.PsqlIndexed)
        {
            await CatalogueLoad.TruncateAsync(connection, cancellationToken);
            await SettleAsync(database, cancellationToken);
            Add(table, "psql, indexes in place", await psql.RunAsync(connection, database.Address, keepIndexes: true, cancellationToken));
        }
        return string.Create(CultureInfo.InvariantCulture, $"""
            {table}
            {Judge(ours)} The time of psql's: {ours.Seconds / bare.Seconds:0.00} times end to end, {ours.CopySeconds / bare.CopySeconds:0.00} times for the rows alone (at most {MostRatio} is asked for).
            """);
    }

    private static void Add(Table table, string who, LoadTimes times)
    {
        foreach (var (what, rows, seconds) in times.Copies)
            table.Add($"{who}: {what}", Text(rows, "#,0"), Text(seconds, "0.00"), Text(rows / seconds, "#,0"));
        if (times.Indexes.Count > 0)
            table.Add($"{who}: keys, references, indexes", "", Text(times.IndexSeconds, "0.00"), "");
        table.Add($"**{who}: the whole**", Text(times.Rows, "#,0"), Text(times.Seconds, "0.00"), Text(times.Rows / times.Seconds, "#,0"));
    }

    private static string Judge(LoadTimes ours) => string.Create(CultureInfo.InvariantCulture,
        $"{ours.Rows / ours.Seconds:#,0} rows a second end to end ({LeastRows:#,0} is asked for where the disk allows).");

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);

    // Each begins with nothing left to write of the one before.
    private static async Task SettleAsync(CatalogueDatabase database, CancellationToken cancellationToken)
    {
        if (database.Provider != DatabaseProvider.PostgreSql)
            return;
        await using var context = database.Context();
        await context.Database.OpenConnectionAsync(cancellationToken);
        await CatalogueDatabase.ExecuteAsync(context.Database.GetDbConnection(), "CHECKPOINT", cancellationToken);
    }
}
