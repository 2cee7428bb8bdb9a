using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing.Services;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>What holding and selling seats costs with some indexes: by the product's two updates, on a copy of some dates.</summary>
/// <param name="Name">The indexes.</param>
/// <param name="Microseconds">Of an update, on one connection, with the commit shared by many.</param>
/// <param name="LogBytes">Of an update, written ahead.</param>
/// <param name="HotShare">Updates that touched no index at all.</param>
/// <param name="IndexMegabytes">After them, all of the table's indexes.</param>
internal sealed record WriteCost(string Name, double Microseconds, double LogBytes, double HotShare, double IndexMegabytes)
{
    private const int PerCommit = 500;

    public static async Task<WriteCost> MeasureAsync(
        NpgsqlConnection connection, CatalogueServices services, string name, int dates, int cycles, int? fillFactor, string[] indexes, CancellationToken cancellationToken)
    {
        await ExecuteAsync("DROP TABLE IF EXISTS study_seats");
        await ExecuteAsync($"CREATE TABLE study_seats (LIKE \"Seats\"){(fillFactor is null ? "" : $" WITH (fillfactor = {fillFactor}, autovacuum_enabled = off)")}");
        if (fillFactor is null)
            await ExecuteAsync("ALTER TABLE study_seats SET (autovacuum_enabled = off)");
        await ExecuteAsync($"INSERT INTO study_seats SELECT * FROM \"Seats\" WHERE \"ScheduleId\" <= {dates} ORDER BY \"ScheduleId\", \"Number\"");
        await ExecuteAsync("ALTER TABLE study_seats ADD PRIMARY KEY (\"ScheduleId\", \"Number\")");
        foreach (var index in indexes)
            await ExecuteAsync($"CREATE INDEX ON study_seats {index}");
        await ExecuteAsync("VACUUM (ANALYZE) study_seats");
        await ExecuteAsync("CHECKPOINT");
        await ExecuteAsync("SELECT pg_stat_reset_single_table_counters('study_seats'::regclass)");

        var (hold, sell) = (OnCopy(services.Hold), OnCopy(services.Sell));
        var random = new Random(1);
        var log = await LogAsync();
        var started = Stopwatch.GetTimestamp();
        long updated = 0;
        for (var cycle = 0; cycle < cycles; cycle++)
        {
            if (cycle % PerCommit == 0)
                await ExecuteAsync(cycle == 0 ? "BEGIN" : "COMMIT; BEGIN");
            var (date, seat, reservation) = (random.Next(1, dates + 1), random.Next(StudyData.SoldOfDate + 1, Catalogue.SeatsOfDate), Guid.CreateVersion7());
            await using (var command = hold.On(connection, parameters: Filled(hold, date, reservation, [seat, seat + 1])))
                updated += await command.ExecuteNonQueryAsync(cancellationToken);
            await using (var command = sell.On(connection, parameters: Filled(sell, date, reservation, [])))
                updated += await command.ExecuteNonQueryAsync(cancellationToken);
        }
        await ExecuteAsync("COMMIT");
        var microseconds = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
        log = await LogAsync() - log;
        await ExecuteAsync("SELECT pg_stat_force_next_flush()");
        var row = (await CatalogueDatabase.QueryAsync(connection, "SELECT n_tup_upd, n_tup_hot_upd, pg_indexes_size('study_seats') FROM pg_stat_user_tables WHERE relname = 'study_seats'", cancellationToken))[0];
        var figures = Array.ConvertAll(row, double.Parse);
        if (updated == 0 || Math.Abs(figures[0] - updated) > 0.5)
            throw new BenchmarkException($"the server counted {figures[0]} updates instead of {updated}.");
        return new WriteCost(name, microseconds / updated, log / updated, figures[1] / figures[0], figures[2] / 1048576);

        Task<long> ExecuteAsync(string statement) => CatalogueDatabase.ExecuteAsync(connection, statement, cancellationToken);

        async Task<double> LogAsync() => double.Parse(
            (await CatalogueDatabase.QueryAsync(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'", cancellationToken))[0][0], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>The statement's parameters with a date, a reservation and seats instead of what it was sent with.</summary>
    public static IReadOnlyList<KeyValuePair<string, object>> Filled(SentStatement statement, int scheduleId, Guid reservationId, int[] numbers) =>
    [
        .. statement.Parameters.Select(one => KeyValuePair.Create(one.Key, one.Value switch
        {
            int => scheduleId,
            Guid => reservationId,
            IEnumerable<int> => numbers,
            var other => other
        }))
    ];

    private static SentStatement OnCopy(SentStatement statement) => statement with { Text = statement.Text.Replace("\"Seats\"", "study_seats", StringComparison.Ordinal) };
}
