using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Shared.Hosting.Databases;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Loads the same rows with <c>psql</c>: <c>\copy</c> of prepared files in PostgreSQL's text format.</summary>
internal sealed class PsqlCopy : IDisposable
{
    private static readonly (string Table, string Columns)[] Tables =
    [
        ("Concerts", "\"ConcertId\", \"Title\", \"Venue\", \"SaleOpensAt\", \"SaleClosesAt\""),
        ("Schedules", "\"ScheduleId\", \"ConcertId\", \"StartsAt\", \"TotalSeats\", \"AvailableSeats\", \"Version\""),
        ("Seats", "\"ScheduleId\", \"Number\", \"Price\", \"Status\"")
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-psql-").FullName;

    public void Write(Catalogue catalogue)
    {
        Write("Concerts", catalogue.AllConcerts()
            .Select(id => $"{id}\tConcert {id}\tHall {id % 100}\t1970-01-01 00:00:00+00\t2170-01-01 00:00:00+00"));
        Write("Schedules", catalogue.AllSchedules().Select(row => string.Create(CultureInfo.InvariantCulture,
            $"{row.ScheduleId}\t{row.ConcertId}\t{row.StartsAt:yyyy-MM-dd HH:mm:ss}+00\t{row.Seats}\t{row.Seats}\t0")));
        Write("Seats", catalogue.AllSeats()
            .Select(seat => string.Create(CultureInfo.InvariantCulture, $"{seat.ScheduleId}\t{seat.Number}\t{seat.Price}\tAvailable")));
    }

    /// <summary>Fills empty tables. It creates their indexes afterwards or keeps them during the load.</summary>
    public async Task<LoadTimes> RunAsync(DbConnection connection, string address, bool keepIndexes, CancellationToken cancellationToken)
    {
        var indexes = keepIndexes ? null : await IndexRebuild.DropAsync(connection, DatabaseProvider.PostgreSql, cancellationToken);
        var copies = new List<(string, long, double)>();
        foreach (var (table, columns) in Tables)
        {
            var started = Stopwatch.GetTimestamp();
            var output = await RunAsync(address, $"\\copy \"{table}\" ({columns}) FROM '{PathOf(table)}'", cancellationToken);
            copies.Add((table, long.Parse(output.Split(' ')[^1], CultureInfo.InvariantCulture),
                Stopwatch.GetElapsedTime(started).TotalSeconds));
        }
        var created = new List<(string, double)>();
        if (indexes is not null)
            await indexes.CreateAsync(connection, async (what, work) =>
            {
                var started = Stopwatch.GetTimestamp();
                await work;
                created.Add((what, Stopwatch.GetElapsedTime(started).TotalSeconds));
            }, cancellationToken);
        return new LoadTimes(copies, created, 0);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<string> RunAsync(string address, string command, CancellationToken cancellationToken)
    {
        var server = new NpgsqlConnectionStringBuilder(address);
        string[] arguments =
        [
            "-X", "-v", "ON_ERROR_STOP=1", "-h", server.Host!, "-p", $"{server.Port}", "-U", server.Username!, "-d", server.Database!, "-c",
                command
        ];
        var start = new ProcessStartInfo("psql", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PGPASSWORD"] = server.Password }
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? (await output).Trim()
            : throw new BenchmarkException($"psql ended with {process.ExitCode}: {await errors}");
    }

    private string PathOf(string table) => Path.Combine(_folder, table);

    private void Write(string table, IEnumerable<string> lines)
    {
        using var text = new StreamWriter(PathOf(table)) { NewLine = "\n" };
        foreach (var line in lines)
            text.WriteLine(line);
    }
}
