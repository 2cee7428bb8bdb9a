using System.Diagnostics;
using Npgsql;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// Reads the database of a variant. All variants use the same names: schema <c>saga</c> with <c>Sagas</c> and <c>Transitions</c>, a schema
/// per step with <c>Decisions</c> or <c>Accounts</c>, and inbox and outbox tables in all four.
/// </summary>
/// <param name="source">The connections to read with.</param>
/// <param name="schemas">The schemas with tables.</param>
/// <param name="hasAccounts">Whether the steps have accounts instead of decisions.</param>
internal sealed class SagaDatabase(NpgsqlDataSource source, string[] schemas, bool hasAccounts = false) : IAsyncDisposable
{
    public const string SagaSchema = "saga", HoldSchema = "hold", DeductSchema = "deduct", ConfirmSchema = "confirm";

    /// <summary>Number of accounts of a step, with the keys from 0. Concurrent sagas rarely meet in one of so many.</summary>
    public const int Accounts = 100_000;

    /// <summary>
    /// For every connection of every variant: plans that do not depend on statistics, because tables that are empty one second and full the
    /// next would mislead the planner.
    /// </summary>
    public const string ConnectionOptions =
        "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off";

    /// <summary>The schemas of the saga and its three steps.</summary>
    public static string[] Schemas { get; } = [SagaSchema, HoldSchema, DeductSchema, ConfirmSchema];

    // An idle connection reports its commits to pg_stat_database ten seconds after the last one.
    private static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(10.5);

    private long _lastActive = Stopwatch.GetTimestamp();

    /// <summary>Returns the connection string of a program under measurement.</summary>
    public static string ConnectionOf(string database, string application, int maxConnections) =>
        new NpgsqlConnectionStringBuilder(database)
        {
            ApplicationName = application,
            MaxAutoPrepare = 100,
            AutoPrepareMinUsages = 2,
            MaxPoolSize = maxConnections,
            NoResetOnClose = true,
            Options = ConnectionOptions
        }.ConnectionString;

    /// <summary>Records that a load has just ended.</summary>
    public void MarkActive() => _lastActive = Stopwatch.GetTimestamp();

    /// <summary>Committed transactions. It waits until all connections have reported theirs.</summary>
    public async Task<double> CommitsAsync()
    {
        var wait = StatisticsDelay - Stopwatch.GetElapsedTime(_lastActive);
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait);
        return await ReportedCommitsAsync();
    }

    /// <summary>Committed transactions that connections have reported; a connection that closes reports at once.</summary>
    public Task<double> ReportedCommitsAsync() =>
        NumberAsync("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()");

    /// <summary>Truncates all tables, so that a round does not inherit dead rows, and creates the accounts again.</summary>
    public async Task EmptyAsync()
    {
        await using var tables = source.CreateCommand(
            "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = ANY($1)");
        tables.Parameters.AddWithValue(schemas);
        var all = (string)(await tables.ExecuteScalarAsync())!;
#pragma warning disable CA2100 // Identifiers cannot be parameters; the server quoted these.
        await using var truncate = source.CreateCommand($"TRUNCATE {all} RESTART IDENTITY");
#pragma warning restore CA2100
        await truncate.ExecuteNonQueryAsync();
        foreach (var step in hasAccounts ? schemas[1..] : [])
        {
#pragma warning disable CA2100 // Constants of this file.
            await using var create = source.CreateCommand($"""
                INSERT INTO {step}."Accounts" ("Id", "Used", "Version") SELECT id, 0, 0 FROM generate_series(0, {Accounts - 1}) AS id
                """);
#pragma warning restore CA2100
            await create.ExecuteNonQueryAsync();
        }
    }

    /// <summary>
    /// Vacuums now. Autovacuum would otherwise clean up during a later load, which costs a second of it on two cores.
    /// </summary>
    public async Task SettleAsync()
    {
        await using var command = source.CreateCommand("VACUUM (ANALYZE)");
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Number of rows in all inboxes and all outboxes.</summary>
    public async Task<(double Inbox, double Outbox)> RowsAsync()
    {
        var inbox = 0.0;
        var outbox = 0.0;
        foreach (var schema in schemas)
        {
            inbox += await NumberAsync($"SELECT count(*) FROM {schema}.\"InboxState\"");
            outbox += await NumberAsync($"SELECT count(*) FROM {schema}.\"OutboxMessage\"");
        }
        return (inbox, outbox);
    }

    /// <summary>Returns the wrong totals after this many sagas.</summary>
    public Task<IReadOnlyList<string>> FaultsAsync(int sagas, bool ignoreInbox = false) => FaultsOfAsync(
    [
        ("sagas", "SELECT count(*) FROM saga.\"Sagas\"", sagas),
        ("sagas in their final state, at their last version",
            "SELECT count(*) FROM saga.\"Sagas\" WHERE \"CurrentState\" = 'Completed' AND \"Version\" = 4", sagas),
        ("history rows", "SELECT count(*) FROM saga.\"Transitions\"", 4 * sagas),
        ("sagas with four history rows that lead to the end",
            """
            SELECT count(*) FROM (SELECT 1 FROM saga."Transitions" GROUP BY "SagaId"
            HAVING string_agg("ToState", ',' ORDER BY "Sequence") = 'Holding,Deducting,Confirming,Completed') AS whole
            """, sagas),
        .. schemas[1..].SelectMany<string, (string, string, int)>(step => hasAccounts
            ? [($"uses of accounts of {step}", $"SELECT sum(\"Used\")::bigint FROM {step}.\"Accounts\"", sagas)]
            :
            [
                ($"decisions of {step}", $"SELECT count(DISTINCT \"SagaId\") FROM {step}.\"Decisions\"", sagas),
                ($"rows of decisions of {step}", $"SELECT count(*) FROM {step}.\"Decisions\"", sagas)
            ]),
        .. schemas.Where(_ => !ignoreInbox)
            .Select(schema => ($"inbox rows of {schema}", $"SELECT count(*) FROM {schema}.\"InboxState\"", schema == SagaSchema
                ? 4 * sagas : sagas)),
        .. schemas.Select(schema => ($"remaining outbox rows of {schema}", $"SELECT count(*) FROM {schema}.\"OutboxMessage\"", 0))
    ]);

    /// <summary>Returns the totals that differ from the expected ones. It waits for late work such as the last acknowledgement.</summary>
    public async Task<IReadOnlyList<string>> FaultsOfAsync(IEnumerable<(string What, string Sql, int Expected)> totals)
    {
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
