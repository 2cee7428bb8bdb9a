using System.Data.Common;
using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Seats.Import;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Spectre.Console;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Seconds of the parts of a load.</summary>
internal sealed record LoadTimes(
    IReadOnlyList<(string What, long Rows, double Seconds)> Copies, IReadOnlyList<(string What, double Seconds)> Indexes, double Analyze)
{
    public double CopySeconds => Copies.Sum(copy => copy.Seconds);

    public double IndexSeconds => Indexes.Sum(index => index.Seconds);

    public double Seconds => CopySeconds + IndexSeconds;

    public long Rows => Copies.Sum(copy => copy.Rows);
}

/// <summary>
/// Fills a catalogue's tables with the import's bulk code. It drops keys and indexes before, and creates them afterwards.
/// </summary>
internal static class CatalogueLoad
{
    public static async Task<LoadTimes> RunAsync(
        CatalogueDatabase database, Catalogue catalogue, CatalogueCsv? files, CancellationToken cancellationToken)
    {
        await using var context = database.Context();
        await context.Database.OpenConnectionAsync(cancellationToken);
        var connection = context.Database.GetDbConnection();
        var indexes = await IndexRebuild.DropAsync(connection, database.Provider, cancellationToken);
        var copies = new List<(string, long, double)>();
        var created = new List<(string, double)>();
        var analyze = 0.0;
        await AnsiConsole.Progress().HideCompleted(false)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(),
                new RowsColumn())
            .StartAsync(async progress =>
            {
                await CopyAsync("Concerts", catalogue.Concerts, Catalogue.ConcertColumns, catalogue.AllConcerts());
                if (files is null)
                {
                    await CopyAsync("Seats", catalogue.Seats, Catalogue.SeatColumns, catalogue.AllSeats());
                    await CopyAsync("Schedules", catalogue.Schedules, Catalogue.ScheduleColumns, catalogue.AllSchedules());
                }
                else
                {
                    // Seats first: a schedule has their number.
                    await CopyAsync("Seats", catalogue.Seats, Catalogue.SeatColumns, files.ReadSeats());
                    await CopyAsync("Schedules", catalogue.Schedules, Catalogue.ScheduleColumns, files.ReadSchedules());
                }
                var indexing = progress.AddTask("indexes", maxValue: 100);
                indexing.IsIndeterminate = true;
                await indexes.CreateAsync(connection, async (what, work) =>
                {
                    var started = Stopwatch.GetTimestamp();
                    await work;
                    created.Add((what, Stopwatch.GetElapsedTime(started).TotalSeconds));
                }, cancellationToken);
                indexing.Value = 100;
                if (database.Provider != DatabaseProvider.SqlServer)
                {
                    var started = Stopwatch.GetTimestamp();
                    await CatalogueDatabase.ExecuteAsync(connection, "ANALYZE", cancellationToken);
                    analyze = Stopwatch.GetElapsedTime(started).TotalSeconds;
                }

                async Task CopyAsync<TRow>(string table, int count, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows)
                {
                    var bar = progress.AddTask(table, maxValue: count);
                    var started = Stopwatch.GetTimestamp();
                    // Without a transaction, SQLite commits each row.
                    await using var transaction = database.Provider == DatabaseProvider.Sqlite
                        ? await connection.BeginTransactionAsync(cancellationToken) : null;
                    var written = await BulkRows.WriteAsync(connection, transaction, table, columns, rows, done => bar.Value = done,
                        cancellationToken);
                    if (transaction is not null)
                        await transaction.CommitAsync(cancellationToken);
                    copies.Add((table, written, Stopwatch.GetElapsedTime(started).TotalSeconds));
                    if (written != count)
                        throw new BenchmarkException($"{table} got {written} rows instead of {count}.");
                }
            });
        return new LoadTimes(copies, created, analyze);
    }

    public static Task TruncateAsync(DbConnection connection, CancellationToken cancellationToken) =>
        CatalogueDatabase.ExecuteAsync(connection, """TRUNCATE "Concerts", "Schedules", "Seats" """, cancellationToken);

    /// <summary>Shows the rows per second of a bar.</summary>
    private sealed class RowsColumn : ProgressColumn
    {
        public override Spectre.Console.Rendering.IRenderable Render(
            Spectre.Console.Rendering.RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(task.Speed is { } speed && !task.IsIndeterminate ? $"{speed:#,0} rows/s" : "");
    }
}
