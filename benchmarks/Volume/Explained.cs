using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing.Services;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>What several executions of a statement came to, by the server's own account: <c>EXPLAIN (ANALYZE, BUFFERS)</c> of each.</summary>
/// <param name="Milliseconds">Planning and execution, in the order they were made.</param>
/// <param name="Buffers">Pages of 8 KB that were looked at, on average.</param>
/// <param name="Read">Those of them that were not in PostgreSQL's own memory, on average.</param>
/// <param name="Rows">Rows in the answer, on average.</param>
/// <param name="Plan">The plan of the last execution.</param>
internal sealed record Explained(double[] Milliseconds, double Buffers, double Read, double Rows, string Plan)
{
    public double Median => new Samples(Milliseconds).Median;

    public double Late => Samples.Percentile([.. Milliseconds.Order()], 0.99);

    /// <summary>Runs it with parameters of each turn, as often as asked for or as the time allows; changes are undone.</summary>
    public static async Task<Explained> RunAsync(
        NpgsqlConnection connection, SentStatement statement, Func<int, IReadOnlyList<KeyValuePair<string, object>>> parameters, int runs, TimeSpan limit,
        CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var milliseconds = new List<double>();
        var (hit, read, rows) = (0.0, 0.0, 0.0);
        var isChange = !statement.Text.StartsWith("SELECT", StringComparison.Ordinal);
        for (var run = 0; run < runs && (run == 0 || Stopwatch.GetElapsedTime(started) < limit); run++)
        {
            if (isChange)
                await CatalogueDatabase.ExecuteAsync(connection, "SAVEPOINT before_change", cancellationToken);
            await using (var command = statement.On(connection, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ", parameters(run)))
            {
                using var answer = JsonDocument.Parse((string)(await command.ExecuteScalarAsync(cancellationToken))!);
                var root = answer.RootElement[0];
                var plan = root.GetProperty(nameof(Plan));
                milliseconds.Add(root.GetProperty("Planning Time").GetDouble() + root.GetProperty("Execution Time").GetDouble());
                hit += plan.GetProperty("Shared Hit Blocks").GetDouble();
                read += plan.GetProperty("Shared Read Blocks").GetDouble();
                rows += plan.GetProperty("Actual Rows").GetDouble();
            }
            if (isChange)
                await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK TO before_change", cancellationToken);
        }
        return new Explained([.. milliseconds], (hit + read) / milliseconds.Count, read / milliseconds.Count, rows / milliseconds.Count, await PlanAsync(connection, statement, parameters(0), isChange));
    }

    private static async Task<string> PlanAsync(NpgsqlConnection connection, SentStatement statement, IReadOnlyList<KeyValuePair<string, object>> parameters, bool isChange)
    {
        if (isChange)
            await CatalogueDatabase.ExecuteAsync(connection, "SAVEPOINT before_change", CancellationToken.None);
        var lines = new List<string>();
        await using (var command = statement.On(connection, "EXPLAIN (ANALYZE, BUFFERS) ", parameters))
        {
            await using DbDataReader reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
                lines.Add(reader.GetString(0));
        }
        if (isChange)
            await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK TO before_change", CancellationToken.None);
        return string.Join('\n', lines);
    }

    public static string Text(double milliseconds) => milliseconds.ToString(milliseconds < 10 ? "0.000" : "#,0", CultureInfo.InvariantCulture);
}
