using System.Data.Common;
using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Seats.Import;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Spectre.Console;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>How long the parts of a load took, in seconds.</summary>
internal sealed record LoadTimes(IReadOnlyList<(string What, long Rows, double Seconds)> Copies, IReadOnlyList<(string What, double Seconds)> Indexes, double Analyze)
{
    public double CopySeconds => Copies.Sum(copy => copy.Seconds);

    public double IndexSeconds => Indexes.Sum(index => index.Seconds);

    public double Seconds => CopySeconds + IndexSeconds;

    public long Rows => Copies.Sum(copy => copy.Rows);
}

/// <summary>Fills a catalogue's tables by the import's own bulk code, with nothing but rows to write; keys and indexes are made afterwards.</summary>
internal static class CatalogueLoad
{
    public static async Task<LoadTimes> RunAsync(CatalogueDatabase database, Catalogue catalogue, CatalogueFiles? files, CancellationToken cancellationToken)
    {
        await using var context = database.Context();
        await context.Database.OpenConnectionAsync(cancellationToken);
        var connection = context.Database.GetDbConnection();
        var indexes = await TableIndexes.DropAsync(connection, database.Provider, cancellationToken);
        var copies = new List<(string, long, double)>();
        var made = new List<(string, double)>();
        var analyze = 0.0;
        await AnsiConsole.Progress().HideCompleted(false)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new RowsColumn())
            .StartAsync(async progress =>
            {
                await CopyAsync("Concerts", catalogue.Concerts, Catalogue.ConcertColumns, catalogue.AllConcerts());
                if (files is null)
                {
                    await CopyAsync("Seats", catalogue.Seats, Catalogue.SeatColumns, catalogue.AllSeats());
                    await CopyAsync("Schedules", catalogue.Schedules, Catalogue.ScheduleColumns, catalogue.AllDates());
                }
                else
                {
                    // Seats first, because a date says how many it has.
                    await CopyAsync("Seats", catalogue.Seats, Catalogue.SeatColumns, files.ReadSeats());
                    await CopyAsync("Schedules", catalogue.Schedules, Catalogue.ScheduleColumns, files.ReadDates());
                }
                var making = progress.AddTask("indexes", maxValue: 100);
                making.IsIndeterminate = true;
                await indexes.CreateAsync(connection, async (what, work) =>
                {
                    var started = Stopwatch.GetTimestamp();
                    await work;
                    made.Add((what, Stopwatch.GetElapsedTime(started).TotalSeconds));
                }, cancellationToken);
                making.Value = 100;
                if (database.Provider != DatabaseProvider.SqlServer)
                {
                    var started = Stopwatch.GetTimestamp();
                    await CatalogueDatabase.ExecuteAsync(connection, "ANALYZE", cancellationToken);
                    analyze = Stopwatch.GetElapsedTime(started).TotalSeconds;
                }

                async Task CopyAsync<TRow>(string table, int rows, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> all)
                {
                    var bar = progress.AddTask(table, maxValue: rows);
                    var started = Stopwatch.GetTimestamp();
                    // SQLite would commit every row by itself.
                    await using var transaction = database.Provider == DatabaseProvider.Sqlite ? await connection.BeginTransactionAsync(cancellationToken) : null;
                    var written = await BulkRows.WriteAsync(connection, transaction, table, columns, all, count => bar.Value = count, cancellationToken);
                    if (transaction is not null)
                        await transaction.CommitAsync(cancellationToken);
                    copies.Add((table, written, Stopwatch.GetElapsedTime(started).TotalSeconds));
                    if (written != rows)
                        throw new BenchmarkException($"{table} got {written} rows instead of {rows}.");
                }
            });
        return new LoadTimes(copies, made, analyze);
    }

    public static Task TruncateAsync(DbConnection connection, CancellationToken cancellationToken) =>
        CatalogueDatabase.ExecuteAsync(connection, """TRUNCATE "Concerts", "Schedules", "Seats" """, cancellationToken);

    /// <summary>How many rows a second a bar has seen.</summary>
    private sealed class RowsColumn : ProgressColumn
    {
        public override Spectre.Console.Rendering.IRenderable Render(Spectre.Console.Rendering.RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(task.Speed is { } speed && !task.IsIndeterminate ? $"{speed:#,0} rows/s" : "");
    }
}
