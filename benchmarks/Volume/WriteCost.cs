using System.Diagnostics;
using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing.Services;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Cost of holding and selling seats with a set of indexes, with the product's two updates on a copy of some schedules.</summary>
/// <param name="Name">Names of the indexes.</param>
/// <param name="Microseconds">Time per update on one connection; many updates share a commit.</param>
/// <param name="LogBytes">Write-ahead log bytes per update.</param>
/// <param name="HotShare">Share of updates that changed no index.</param>
/// <param name="IndexMegabytes">Size of all indexes after the updates.</param>
internal sealed record WriteCost(string Name, double Microseconds, double LogBytes, double HotShare, double IndexMegabytes)
{
    private const int PerCommit = 500;

    private const string UpdateCounts = """
        SELECT n_tup_upd, n_tup_hot_upd, pg_indexes_size('study_seats') FROM pg_stat_user_tables WHERE relname = 'study_seats'
        """;

    public static async Task<WriteCost> MeasureAsync(
        NpgsqlConnection connection, CapturedStatements statements, string name, int schedules, int cycles, int? fillFactor,
            string[] indexes,
        CancellationToken cancellationToken)
    {
        foreach (var statement in CopyStatements(schedules, fillFactor, indexes))
            await ExecuteAsync(statement);

        var hold = OnCopy(statements.Hold);
        var sell = OnCopy(statements.Sell);
        var random = new Random(1);
        var log = await LogAsync();
        var started = Stopwatch.GetTimestamp();
        long updated = 0;
        for (var cycle = 0; cycle < cycles; cycle++)
        {
            if (cycle % PerCommit == 0)
                await ExecuteAsync(cycle == 0 ? "BEGIN" : "COMMIT; BEGIN");
            var schedule = random.Next(1, schedules + 1);
            var seat = random.Next(StudyData.SoldPerSchedule + 1, Catalogue.SeatsPerSchedule);
            var reservation = Guid.CreateVersion7();
            await using (var command = hold.On(connection, parameters: Fill(hold, schedule, seat, reservation)))
                updated += await command.ExecuteNonQueryAsync(cancellationToken);
            await using (var command = sell.On(connection, parameters: Fill(sell, schedule, seat, reservation)))
                updated += await command.ExecuteNonQueryAsync(cancellationToken);
        }
        await ExecuteAsync("COMMIT");
        var microseconds = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
        log = await LogAsync() - log;
        await ExecuteAsync("SELECT pg_stat_force_next_flush()");
        var rows = await CatalogueDatabase.QueryAsync(connection, UpdateCounts, cancellationToken);
        var figures = Array.ConvertAll(rows[0], double.Parse);
        if (updated == 0 || Math.Abs(figures[0] - updated) > 0.5)
            throw new BenchmarkException($"the server counted {figures[0]} updates instead of {updated}.");
        return new WriteCost(name, microseconds / updated, log / updated, figures[1] / figures[0], figures[2] / 1048576);

        Task<long> ExecuteAsync(string statement) => CatalogueDatabase.ExecuteAsync(connection, statement, cancellationToken);

        async Task<double> LogAsync()
        {
            var position = await CatalogueDatabase.QueryAsync(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'", cancellationToken);
            return double.Parse(position[0][0], CultureInfo.InvariantCulture);
        }
    }

    // The product updates a seat by its key: the schedule, then the number.
    private static IReadOnlyList<KeyValuePair<string, object>> Fill(SentStatement statement, int scheduleId, int number, Guid reservationId)
    {
        var key = new Queue<int>([scheduleId, number]);
        return
        [
            .. statement.Parameters.Select(parameter => KeyValuePair.Create(parameter.Key, parameter.Value switch
            {
                int => key.Dequeue(),
                Guid => reservationId,
                var other => other
            }))
        ];
    }

    private static string[] CopyStatements(int schedules, int? fillFactor, string[] indexes) =>
    [
        "DROP TABLE IF EXISTS study_seats",
        $"CREATE TABLE study_seats (LIKE \"Seats\") WITH (fillfactor = {fillFactor ?? 100}, autovacuum_enabled = off)",
        $"INSERT INTO study_seats SELECT * FROM \"Seats\" WHERE \"ScheduleId\" <= {schedules} ORDER BY \"ScheduleId\", \"Number\"",
        "ALTER TABLE study_seats ADD PRIMARY KEY (\"ScheduleId\", \"Number\")",
        .. indexes.Select(index => $"CREATE INDEX ON study_seats {index}"),
        "VACUUM (ANALYZE) study_seats",
        "CHECKPOINT",
        "SELECT pg_stat_reset_single_table_counters('study_seats'::regclass)"
    ];

    private static SentStatement OnCopy(SentStatement statement) =>
        statement with { Text = statement.Text.Replace("\"Seats\"", "study_seats", StringComparison.Ordinal) };
}
