using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing.Services;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Result of several executions of a statement, each measured by the server with <c>EXPLAIN (ANALYZE, BUFFERS)</c>.</summary>
/// <param name="Milliseconds">Planning and execution times, in the order of the runs.</param>
/// <param name="Buffers">Pages of 8 KB accessed, on average.</param>
/// <param name="Read">Pages of these that were not in PostgreSQL's shared buffers, on average.</param>
/// <param name="Rows">Rows of the result, on average.</param>
/// <param name="Plan">The plan of the last execution.</param>
internal sealed record ExplainResult(double[] Milliseconds, double Buffers, double Read, double Rows, string Plan)
{
    public double Median => new Samples(Milliseconds).Median;

    public double P99 => Samples.Percentile([.. Milliseconds.Order()], 0.99);

    /// <summary>
    /// Runs a statement with new parameters each time, until the number of runs or the time limit. Changes are rolled back.
    /// </summary>
    public static async Task<ExplainResult> RunAsync(
        NpgsqlConnection connection, SentStatement statement, Func<int, IReadOnlyList<KeyValuePair<string, object>>> parameters, int runs,
            TimeSpan limit,
        CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var milliseconds = new List<double>();
        var hit = 0.0;
        var read = 0.0;
        var rows = 0.0;
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
        var text = await PlanAsync(connection, statement, parameters(0), isChange);
        return new ExplainResult(
            [.. milliseconds], (hit + read) / milliseconds.Count, read / milliseconds.Count, rows / milliseconds.Count, text);
    }

    private static async Task<string> PlanAsync(
        NpgsqlConnection connection, SentStatement statement, IReadOnlyList<KeyValuePair<string, object>> parameters, bool isChange)
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

    public static string Text(double milliseconds) =>
        milliseconds.ToString(milliseconds < 10 ? "0.000" : "#,0", CultureInfo.InvariantCulture);
}
