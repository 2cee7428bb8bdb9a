using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Measures a load and its memory, and in the same run <c>psql</c> with the same rows.</summary>
internal static class LoadBenchmark
{
    private const double MinRowsPerSecond = 333_000, MaxRatio = 1.5, MaxMegabytes = 300;

    public static async Task RunAsync(LoadPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Catalogue.SchedulesWithSeats > plan.Catalogue.Schedules)
            throw new BenchmarkException(
                $"--seats is {plan.Catalogue.Seats}; allowed: at most {Catalogue.SeatsPerSchedule} for each schedule.");
        CatalogueCsv? files = null;
        if (plan.Csv is not null)
            await (files = new CatalogueCsv(plan.Csv, plan.Catalogue)).WriteMissingAsync(cancellationToken);
        await using var database = await CatalogueDatabase.CreateAsync(plan.Provider, plan.Address, cancellationToken);
        await SettleAsync(database, cancellationToken);
        var ours = await CatalogueLoad.RunAsync(database, plan.Catalogue, files, cancellationToken);
        var megabytes = ResidentMemory.PeakOf(Environment.ProcessId);

        var source = files is null ? "" : ", from CSV files";
        var table = await TableAsync(plan, database, ours, cancellationToken);
        var text = string.Create(CultureInfo.InvariantCulture, $"""
            {Machine.Describe()}, {plan.Provider}{(plan.Provider == DatabaseProvider.PostgreSql ? " with its durable defaults" : "")}.
            {plan.Catalogue.Concerts:#,0} concerts, {plan.Catalogue.Schedules:#,0} schedules, {plan.Catalogue.Seats:#,0} seats{source};
            the loading process took at most {megabytes:0} MB (limit: {MaxMegabytes}).

            {table}
            """);
        await Console.Out.WriteLineAsync(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync(MarkerOf(plan.Provider), text);
    }

    private static string MarkerOf(DatabaseProvider provider) =>
        provider == DatabaseProvider.PostgreSql ? "load" : $"load-{provider.ToString().ToLowerInvariant()}";

    private static async Task<string> TableAsync(
        LoadPlan plan, CatalogueDatabase database, LoadTimes ours, CancellationToken cancellationToken)
    {
        var table = new Table("what", "rows", "seconds", "rows/s");
        Add(table, "ours", ours);
        table.Add("ours: ANALYZE, not in the total", "", Text(ours.Analyze, "0.00"), "");
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
        var total = ours.Seconds / bare.Seconds;
        var rows = ours.CopySeconds / bare.CopySeconds;
        return string.Create(CultureInfo.InvariantCulture, $"""
            {table}
            {Judge(ours)}
            Time relative to psql: {total:0.00} end to end, {rows:0.00} for the rows alone (limit: {MaxRatio}).
            """);
    }

    private static void Add(Table table, string name, LoadTimes times)
    {
        foreach (var (what, rows, seconds) in times.Copies)
            table.Add($"{name}: {what}", Text(rows, "#,0"), Text(seconds, "0.00"), Text(rows / seconds, "#,0"));
        if (times.Indexes.Count > 0)
            table.Add($"{name}: keys, references, indexes", "", Text(times.IndexSeconds, "0.00"), "");
        table.Add($"**{name}: total**", Text(times.Rows, "#,0"), Text(times.Seconds, "0.00"), Text(times.Rows / times.Seconds, "#,0"));
    }

    private static string Judge(LoadTimes ours) => string.Create(CultureInfo.InvariantCulture,
        $"{ours.Rows / ours.Seconds:#,0} rows per second end to end (minimum if the disk allows: {MinRowsPerSecond:#,0}).");

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);

    // A load should not pay for writes of the load before.
    private static async Task SettleAsync(CatalogueDatabase database, CancellationToken cancellationToken)
    {
        if (database.Provider != DatabaseProvider.PostgreSql)
            return;
        await using var context = database.Context();
        await context.Database.OpenConnectionAsync(cancellationToken);
        await CatalogueDatabase.ExecuteAsync(context.Database.GetDbConnection(), "CHECKPOINT", cancellationToken);
    }
}
