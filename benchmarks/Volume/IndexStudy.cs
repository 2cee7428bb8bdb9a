using System.CommandLine;
using System.Globalization;
using ConcertSaga.Benchmarks.Sagas;
using ConcertSaga.Shared.Hosting.Databases;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// Runs the product's queries on a large catalogue with and without each index, warm and cold. It also measures the cost of indexes for
/// writes, and queries whose index seems to have no effect.
/// </summary>
internal static class IndexStudy
{
    private const int MaxWrittenSchedules = 20_000;

    private const string OverdueReservations = """
        UPDATE "Reservations" SET "Deadline" = now() - interval '1 minute'
        WHERE "ReservationId" IN (SELECT "ReservationId" FROM "Reservations" WHERE "Deadline" IS NOT NULL LIMIT 50)
        """;

    private const string Sizes = """
        SELECT relname, pg_relation_size(oid) / 1048576.0, greatest(reltuples, 1),
            current_setting('shared_buffers'), current_setting('server_version')
        FROM pg_class WHERE relname IN ('Seats', 'Schedules') ORDER BY 1 DESC
        """;

    public static Command CreateCommand()
    {
        var (schedules, seats) = LoadCommand.Sizes();
        var cycles = SagaCommand.Positive("--cycles", "Holds and sales with each set of indexes.", 10_000);
        var write = new Option<bool>("--write") { Description = "Writes docs/index-study.md and its pictures." };
        var command = new Command("index-study", "The product's queries with and without each index, on PostgreSQL.") { schedules, seats,
            cycles, write };
        command.SetAction((parsed, cancellation) =>
            RunAsync(new Catalogue(parsed.GetValue(schedules), parsed.GetValue(seats)), parsed.GetValue(cycles), parsed.GetValue(write),
                cancellation));
        return command;
    }

    private static async Task RunAsync(Catalogue catalogue, int cycles, bool write, CancellationToken cancellationToken)
    {
        await using var database = await CatalogueDatabase.CreateAsync(DatabaseProvider.PostgreSql, null, cancellationToken);
        var reservations = catalogue.SchedulesWithSeats * StudyData.SoldPerSchedule;
        var users = Math.Max(1, reservations / StudyData.ReservationsPerUser);
        await CatalogueLoad.RunAsync(database, catalogue, null, cancellationToken);
        await Console.Error.WriteLineAsync("selling seats and writing reservations");
        var (addresses, statements) = await PrepareAsync(database, catalogue, reservations, users, cancellationToken);

        var run = new StudyRun(database, catalogue, cancellationToken);
        var queries = new List<StudyResult>();
        foreach (var query in StudyCase.All(statements, catalogue, users))
        {
            await Console.Error.WriteLineAsync(query.Name);
            queries.Add(await run.MeasureAsync(query, addresses[query.Owner]));
        }
        await using var seats = await StudyRun.OpenAsync(database.Address);
        await Console.Error.WriteLineAsync("queries of schedules");
        var schedules = await run.MeasureSchedulesAsync(seats);
        await Console.Error.WriteLineAsync("status alone");
        var status = await run.MeasureStatusAsync(seats);
        await Console.Error.WriteLineAsync("writes");
        var costs = await MeasureWritesAsync(seats, statements, Math.Min(MaxWrittenSchedules, catalogue.SchedulesWithSeats), cycles,
            cancellationToken);
        var sizes = await CatalogueDatabase.QueryAsync(seats, Sizes, cancellationToken);

        var document = new StudyDocument(new StudyFigures(
            catalogue, reservations, queries, schedules, status, costs, TableSize.Of(sizes[0]), TableSize.Of(sizes[1]), run.ColdMethod));
        var text = write ? await document.WriteAsync() : document.Text;
        await Console.Out.WriteLineAsync(text);
    }

    /// <summary>Fills the databases of all owners, and captures the statements of the services.</summary>
    private static async Task<(Dictionary<string, string> Addresses, CapturedStatements Statements)> PrepareAsync(
        CatalogueDatabase database, Catalogue catalogue, int reservations, int users, CancellationToken cancellationToken)
    {
        var orchestrator = await database.Server!.CreateDatabaseAsync("orchestrator");
        await using (var connection = await StudyRun.OpenAsync(database.Address))
            await StudyData.SellAsync(connection, users, cancellationToken);
        await StudyData.ReserveAsync(orchestrator, reservations, users, cancellationToken);
        var relay = await database.Server.CreateDatabaseAsync("dataplatform");
        var due = await StudyData.DeliverAsync(relay, reservations, cancellationToken);
        var statements = await CapturedStatements.CaptureAsync(database.Address, orchestrator, due, catalogue);
        await using (var connection = await StudyRun.OpenAsync(orchestrator))
        {
            await CatalogueDatabase.ExecuteAsync(connection, OverdueReservations, cancellationToken);
            await CatalogueDatabase.ExecuteAsync(connection, "VACUUM (ANALYZE)", cancellationToken);
        }
        return (new() { [StudyCase.Seats] = database.Address, [StudyCase.Orchestrator] = orchestrator, [StudyCase.Relay] = relay },
            statements);
    }

    private static async Task<List<WriteCost>> MeasureWritesAsync(
        NpgsqlConnection connection, CapturedStatements statements, int schedules, int cycles, CancellationToken cancellationToken)
    {
        const string reservation = "(\"ReservationId\") WHERE \"ReservationId\" IS NOT NULL", status = "(\"Status\")";
        (string Name, int? FillFactor, string[] Indexes)[] variants =
        [
            ("key only", null, []), ("key, reservation", null, [reservation]), ("key, status", null, [status]),
            ("key, reservation, status", null, [reservation, status]), ("key only, pages 80 % full (the product)", 80, []),
            ("key, reservation, pages 80 % full", 80, [reservation]), ("key, status, pages 80 % full", 80, [status])
        ];
        var costs = new List<WriteCost>();
        foreach (var (name, fillFactor, indexes) in variants)
            costs.Add(await WriteCost.MeasureAsync(connection, statements, name, schedules, cycles, fillFactor, indexes,
                cancellationToken));
        return costs;
    }
}

/// <summary>All figures of a study.</summary>
internal sealed record StudyFigures(
    Catalogue Catalogue, int Reservations, List<StudyResult> Queries, List<ScheduleResult> Schedules, StatusResult Status,
        List<WriteCost> Costs,
    TableSize SeatTable, TableSize ScheduleTable, string ColdMethod);

/// <summary>The size of a table, and two settings of its server.</summary>
internal sealed record TableSize(double Megabytes, double Rows, string SharedBuffers, string ServerVersion)
{
    public double BytesPerRow => Megabytes * 1048576 / Rows;

    public static TableSize Of(string[] row) => new(Number(row[1]), Number(row[2]), row[3], row[4]);

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
