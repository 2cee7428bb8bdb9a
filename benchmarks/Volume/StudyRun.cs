using System.Globalization;
using ConcertSaga.Testing.Services;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Measures statements with and without indexes. Index changes happen in transactions that are rolled back.</summary>
internal sealed class StudyRun(CatalogueDatabase database, Catalogue catalogue, CancellationToken cancellationToken)
{
    private const int WarmRuns = 500, ColdRuns = 20, RunsWithout = 11, StatusRuns = 3;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(8);

    /// <summary>How the last restart emptied the caches.</summary>
    public string ColdMethod { get; private set; } = "";

    public static async Task<NpgsqlConnection> OpenAsync(string address)
    {
        var connection = new NpgsqlConnection($"{address};Pooling=false;Max Auto Prepare=0;Command Timeout=0");
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Measures a query of the product, warm and cold.</summary>
    public async Task<StudyResult> MeasureAsync(StudyCase query, string address)
    {
        ExplainResult with, without, coldWith, coldWithout;
        double megabytes;
        await using (var connection = await OpenAsync(address))
        {
            await BeginAsync(connection, query.Creates);
            megabytes = await MegabytesAsync(connection, query.Index);
            await RollbackAsync(connection);
            with = await MeasureAsync(connection, query, query.Creates, WarmRuns, isWarm: true);
            without = await MeasureAsync(connection, query, query.Drops, RunsWithout, isWarm: true);
        }
        await RestartColdAsync();
        await using (var connection = await OpenAsync(address))
            coldWith = await MeasureAsync(connection, query, query.Creates, ColdRuns, isWarm: false);
        await RestartColdAsync();
        await using (var connection = await OpenAsync(address))
            coldWithout = await MeasureAsync(connection, query, query.Drops, 1, isWarm: false);
        return new StudyResult(query, with, without, coldWith, coldWithout, megabytes);
    }

    /// <summary>Queries schedules in several ways, without an index and with a suitable one.</summary>
    public async Task<List<ScheduleResult>> MeasureSchedulesAsync(NpgsqlConnection connection)
    {
        const string all = """SELECT * FROM "Schedules" WHERE """, order = """ORDER BY "StartsAt", "ScheduleId" LIMIT 21""";
        const string concert = """ "ConcertId" = 7 AND """;
        string[] drop = ["""DROP INDEX "IX_Schedules_ConcertId_StartsAt_ScheduleId" """];
        string[] create = ["""CREATE INDEX ON "Schedules" ("StartsAt", "ConcertId")"""];
        (string Name, string Text, string[] Create)[] queries =
        [
            ("95 % of the schedules, all columns", $"{all}{Latest(0.95)}", create),
            ("20 %, all columns", $"{all}{Latest(0.2)}", create),
            ("1 %, all columns", $"{all}{Latest(0.01)}", create),
            ("20 %, only columns of the index", $"""SELECT "ConcertId", "StartsAt" FROM "Schedules" WHERE {Latest(0.2)}""", create),
            ("one concert, 20 % of its schedules", $"{all}{concert}{Latest(0.2)}", []),
            ("the next 21 of one concert", $"{all}{concert}{Latest(0.95)} {order}", [])
        ];
        var results = new List<ScheduleResult>();
        foreach (var (name, text, creates) in queries)
        {
            var without = await ExplainAsync(connection, text, drop, RunsWithout);
            var with = await ExplainAsync(connection, text, creates, RunsWithout);
            results.Add(new ScheduleResult(name, without, with));
        }
        return results;
    }

    /// <summary>Queries seats with an index of the status as the only index.</summary>
    public async Task<StatusResult> MeasureStatusAsync(NpgsqlConnection connection)
    {
        var inSchedule = string.Create(CultureInfo.InvariantCulture, $"\"ScheduleId\" = {catalogue.SchedulesWithSeats}");
        await BeginAsync(
            connection, ["""ALTER TABLE "Seats" DROP CONSTRAINT "PK_Seats" """, """CREATE INDEX study_status ON "Seats" ("Status")"""]);
        var free = await RunAsync("\"Status\" = 'Available'");
        var freeInSchedule = await RunAsync($"{inSchedule} AND \"Status\" = 'Available'");
        var megabytes = await MegabytesAsync(connection, "study_status");
        await RollbackAsync(connection);
        return new StatusResult(free, freeInSchedule, megabytes);

        Task<ExplainResult> RunAsync(string condition) => ExplainResult.RunAsync(
            connection, new SentStatement($"SELECT * FROM \"Seats\" WHERE {condition}", []), _ => [], StatusRuns, Limit, cancellationToken);
    }

    // The catalogue begins some days ago and has one schedule of each concert per day.
    private static string Latest(double share)
    {
        var days = -Catalogue.PastSchedules + (1 - share) * Catalogue.SchedulesPerConcert;
        var first = TimeProvider.System.GetUtcNow().UtcDateTime.Date.AddDays(days);
        return string.Create(CultureInfo.InvariantCulture, $"\"StartsAt\" > '{first:yyyy-MM-dd}'");
    }

    private async Task<ExplainResult> ExplainAsync(NpgsqlConnection connection, string text, string[] changes, int runs)
    {
        await BeginAsync(connection, changes);
        var result = await ExplainResult.RunAsync(connection, new SentStatement(text, []), _ => [], runs, Limit, cancellationToken);
        await RollbackAsync(connection);
        return result;
    }

    private async Task<ExplainResult> MeasureAsync(NpgsqlConnection connection, StudyCase query, string[] changes, int runs, bool isWarm)
    {
        await BeginAsync(connection, changes);
        if (isWarm)
            await ExplainResult.RunAsync(connection, query.Statement, query.Parameters, runs, Limit, cancellationToken);
        var result = await ExplainResult.RunAsync(connection, query.Statement, query.Parameters, runs, Limit, cancellationToken);
        await RollbackAsync(connection);
        return result;
    }

    private async Task BeginAsync(NpgsqlConnection connection, string[] changes)
    {
        await CatalogueDatabase.ExecuteAsync(connection, "BEGIN", cancellationToken);
        foreach (var change in changes)
            await CatalogueDatabase.ExecuteAsync(connection, change, cancellationToken);
    }

    private async Task RollbackAsync(NpgsqlConnection connection) =>
        await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK", cancellationToken);

    /// <summary>Restarts the server, which empties its cache, and drops the system's page cache if allowed.</summary>
    private async Task RestartColdAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await database.Server!.StopAsync();
        try
        {
            await File.WriteAllTextAsync("/proc/sys/vm/drop_caches", "3", cancellationToken);
            ColdMethod = "the server was restarted and the system's page cache dropped (`/proc/sys/vm/drop_caches`)";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            ColdMethod = "the server was restarted, but the system's page cache could not be dropped";
        }
        await database.Server.StartAsync();
    }

    private async Task<double> MegabytesAsync(NpgsqlConnection connection, string index)
    {
        var rows = await CatalogueDatabase.QueryAsync(connection, $"SELECT pg_relation_size('\"{index}\"') / 1048576.0", cancellationToken);
        return double.Parse(rows[0][0], CultureInfo.InvariantCulture);
    }
}
