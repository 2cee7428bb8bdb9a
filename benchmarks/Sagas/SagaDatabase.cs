using System.Diagnostics;
using Npgsql;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// The database of one variant, seen from outside. Variants name tables and columns alike: schema <c>saga</c> with <c>Sagas</c> and
/// <c>Transitions</c>, a schema for each step with <c>Decisions</c>, and inbox and outbox tables in all four.
/// </summary>
internal sealed class SagaDatabase(NpgsqlDataSource source) : IAsyncDisposable
{
    public const string SagaSchema = "saga", HoldSchema = "hold", DeductSchema = "deduct", ConfirmSchema = "confirm";

    /// <summary>
    /// For every connection of every variant: plans that do not depend on what autovacuum has seen of tables that are empty one second and
    /// full the next.
    /// </summary>
    public const string ConnectionOptions =
        "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off";

    // An idle connection tells its commits to pg_stat_database ten seconds after its last one.
    private static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(10.5);

    private static readonly string[] Schemas = [SagaSchema, HoldSchema, DeductSchema, ConfirmSchema];

    private long _lastActive = Stopwatch.GetTimestamp();

    /// <summary>Something has just run there.</summary>
    public void WasActive() => _lastActive = Stopwatch.GetTimestamp();

    /// <summary>How many transactions were committed, after waiting until all have been counted.</summary>
    public async Task<double> CommitsAsync()
    {
        var wait = StatisticsDelay - Stopwatch.GetElapsedTime(_lastActive);
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait);
        return await NumberAsync("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()");
    }

    /// <summary>Gives every table new, empty files, so that no round inherits the dead rows of another.</summary>
    public async Task EmptyAsync()
    {
        await using var tables = source.CreateCommand(
            "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = ANY($1)");
        tables.Parameters.AddWithValue(Schemas);
        var all = (string)(await tables.ExecuteScalarAsync())!;
#pragma warning disable CA2100 // Identifiers cannot be parameters; the server quoted these.
        await using var truncate = source.CreateCommand($"TRUNCATE {all} RESTART IDENTITY");
#pragma warning restore CA2100
        await truncate.ExecuteNonQueryAsync();
    }

    /// <summary>
    /// Does now what autovacuum would do about the load before in the middle of the next one: on two cores that costs a second of it, and
    /// which load it falls on is chance.
    /// </summary>
    public async Task SettleAsync()
    {
        await using var command = source.CreateCommand("VACUUM (ANALYZE)");
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>How many rows the inboxes and the outboxes have.</summary>
    public async Task<(double Inbox, double Outbox)> RowsAsync()
    {
        var (inbox, outbox) = (0.0, 0.0);
        foreach (var schema in Schemas)
        {
            inbox += await NumberAsync($"SELECT count(*) FROM {schema}.\"InboxState\"");
            outbox += await NumberAsync($"SELECT count(*) FROM {schema}.\"OutboxMessage\"");
        }
        return (inbox, outbox);
    }

    /// <summary>What is wrong after this many sagas; nothing if all went through exactly once. Tails such as the last acknowledgement are waited for.</summary>
    public async Task<IReadOnlyList<string>> FaultsAsync(int sagas, bool forgetful = false)
    {
        (string What, string Sql, int Expected)[] totals =
        [
            ("sagas", "SELECT count(*) FROM saga.\"Sagas\"", sagas),
            ("sagas in their final state, at their last version", "SELECT count(*) FROM saga.\"Sagas\" WHERE \"CurrentState\" = 'Completed' AND \"Version\" = 4", sagas),
            ("history rows", "SELECT count(*) FROM saga.\"Transitions\"", 4 * sagas),
            ("sagas with four history rows that lead to the end",
                """
                SELECT count(*) FROM (SELECT 1 FROM saga."Transitions" GROUP BY "SagaId"
                HAVING string_agg("ToState", ',' ORDER BY "Sequence") = 'Holding,Deducting,Confirming,Completed') AS whole
                """, sagas),
            .. Schemas[1..].Select(step => ($"decisions of {step}", $"SELECT count(DISTINCT \"SagaId\") FROM {step}.\"Decisions\"", sagas)),
            .. Schemas[1..].Select(step => ($"rows of decisions of {step}", $"SELECT count(*) FROM {step}.\"Decisions\"", sagas)),
            .. Schemas.Where(_ => !forgetful)
                .Select(schema => ($"inbox rows of {schema}", $"SELECT count(*) FROM {schema}.\"InboxState\"", schema == SagaSchema ? 4 * sagas : sagas)),
            .. Schemas.Select(schema => ($"outbox rows left in {schema}", $"SELECT count(*) FROM {schema}.\"OutboxMessage\"", 0))
        ];
        var faults = new List<string>();
        foreach (var (what, sql, expected) in totals)
        {
            var watch = Stopwatch.StartNew();
            double found;
            while ((found = await NumberAsync(sql)) != expected && watch.Elapsed < TimeSpan.FromSeconds(5))
                await Task.Delay(100);
            if (found != expected)
                faults.Add($"{what}: {found}, expected {expected}");
        }
        return faults;
    }

    public ValueTask DisposeAsync() => source.DisposeAsync();

    private async Task<double> NumberAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
