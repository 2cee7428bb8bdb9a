using System.CommandLine;
using System.Globalization;
using ConcertSaga.Benchmarks.Sagas;
using ConcertSaga.Shared.Hosting.Databases;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>The product's queries on a large catalogue, with and without each index, warm and cold; what indexes cost on writes; and why some show nothing.</summary>
internal static class IndexStudy
{
    private const int WarmRuns = 500, ColdRuns = 20, RunsWithout = 11;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(8);

    public static Command CreateCommand()
    {
        var (schedules, seats) = LoadCommand.Sizes();
        var cycles = SagaCommand.Positive("--cycles", "Holds and sales with each set of indexes.", 10_000);
        var write = new Option<bool>("--write") { Description = "Writes docs/index-study.md and its pictures." };
        var command = new Command("index-study", "The product's queries with and without each index, on PostgreSQL.") { schedules, seats, cycles, write };
        command.SetAction((parsed, cancellation) =>
            RunAsync(new Catalogue(parsed.GetValue(schedules), parsed.GetValue(seats)), parsed.GetValue(cycles), parsed.GetValue(write), cancellation));
        return command;
    }

    private static async Task RunAsync(Catalogue catalogue, int cycles, bool write, CancellationToken cancellationToken)
    {
        await using var database = await CatalogueDatabase.CreateAsync(DatabaseProvider.PostgreSql, null, cancellationToken);
        var reservations = catalogue.DatesWithSeats * StudyData.SoldOfDate;
        var users = Math.Max(1, reservations / StudyData.OfUser);
        await CatalogueLoad.RunAsync(database, catalogue, null, cancellationToken);
        await Console.Error.WriteLineAsync("selling seats and writing reservations");
        var orchestrator = await database.Server!.CreateDatabaseAsync("orchestrator");
        await using (var connection = await OpenAsync(database.Address))
            await StudyData.SellAsync(connection, users, cancellationToken);
        await StudyData.ReserveAsync(orchestrator, reservations, users, cancellationToken);
        var relay = await database.Server.CreateDatabaseAsync("dataplatform");
        var due = await StudyData.DeliverAsync(relay, reservations, cancellationToken);
        var services = await CatalogueServices.ListenAsync(database.Address, orchestrator, due, catalogue);
        await using (var connection = await OpenAsync(orchestrator))
        {
            await CatalogueDatabase.ExecuteAsync(connection, """UPDATE "Reservations" SET "Deadline" = now() - interval '1 minute' WHERE "ReservationId" IN (SELECT "ReservationId" FROM "Reservations" WHERE "Deadline" IS NOT NULL LIMIT 50)""", cancellationToken);
            await CatalogueDatabase.ExecuteAsync(connection, "VACUUM (ANALYZE)", cancellationToken);
        }

        var results = new List<StudyResult>();
        var coldness = "";
        foreach (var one in StudyCase.All(services, catalogue, users))
        {
            await Console.Error.WriteLineAsync(one.Name);
            var address = one.Owner switch { StudyCase.Seats => database.Address, StudyCase.Relay => relay, _ => orchestrator };
            Explained with, without, coldWith, coldWithout;
            double size;
            await using (var connection = await OpenAsync(address))
            {
                await CatalogueDatabase.ExecuteAsync(connection, "BEGIN", cancellationToken);
                foreach (var create in one.Creates)
                    await CatalogueDatabase.ExecuteAsync(connection, create, cancellationToken);
                size = await MegabytesAsync(connection, $"pg_relation_size('\"{one.Index}\"')");
                await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK", cancellationToken);
                with = await MeasureAsync(connection, one, one.Creates, WarmRuns, warm: true);
                without = await MeasureAsync(connection, one, one.Drops, RunsWithout, warm: true);
            }
            coldness = await FreezeAsync();
            await using (var connection = await OpenAsync(address))
                coldWith = await MeasureAsync(connection, one, one.Creates, ColdRuns, warm: false);
            await FreezeAsync();
            await using (var connection = await OpenAsync(address))
                coldWithout = await MeasureAsync(connection, one, one.Drops, 1, warm: false);
            results.Add(new StudyResult(one, with, without, coldWith, coldWithout, size));
        }

        await using var seats = await OpenAsync(database.Address);
        await Console.Error.WriteLineAsync("dates, asked for in other ways");
        var schedules = await SchedulesAsync(seats);
        await Console.Error.WriteLineAsync("status alone");
        var status = await StatusAsync(seats);
        await Console.Error.WriteLineAsync("writes");
        var costs = new List<WriteCost>();
        const string id = "(\"ReservationId\") WHERE \"ReservationId\" IS NOT NULL", alone = "(\"Status\")";
        foreach (var (name, fill, indexes) in new (string, int?, string[])[]
        {
            ("key alone", null, []), ("key, reservation", null, [id]), ("key, status", null, [alone]), ("key, reservation, status", null, [id, alone]),
            ("key alone, pages 80 % full (the product)", 80, []), ("key, reservation, pages 80 % full", 80, [id]), ("key, status, pages 80 % full", 80, [alone])
        })
            costs.Add(await WriteCost.MeasureAsync(seats, services, name, Math.Min(20_000, catalogue.DatesWithSeats), cycles, fill, indexes, cancellationToken));
        var sizes = (await CatalogueDatabase.QueryAsync(seats, """
            SELECT relname, pg_relation_size(oid) / 1048576.0, greatest(reltuples, 1), current_setting('shared_buffers'), current_setting('server_version')
            FROM pg_class WHERE relname IN ('Seats', 'Schedules') ORDER BY 1 DESC
            """, cancellationToken)).Select(row => (Table: row[0], Megabytes: Number(row[1]), Rows: Number(row[2]), Memory: row[3], Version: row[4])).ToArray();

        var document = await StudyDocument.WriteAsync(catalogue, reservations, results, schedules, status, costs, sizes, coldness, write);
        await Console.Out.WriteLineAsync(document);

        async Task<Explained> MeasureAsync(NpgsqlConnection connection, StudyCase one, string[] changes, int runs, bool warm)
        {
            // What is dropped in a transaction is back when it is rolled back, and what is made is gone.
            await CatalogueDatabase.ExecuteAsync(connection, "BEGIN", cancellationToken);
            foreach (var change in changes)
                await CatalogueDatabase.ExecuteAsync(connection, change, cancellationToken);
            if (warm)
                await Explained.RunAsync(connection, one.Statement, one.Parameters, runs, Limit, cancellationToken);
            var explained = await Explained.RunAsync(connection, one.Statement, one.Parameters, runs, Limit, cancellationToken);
            await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK", cancellationToken);
            return explained;
        }

        // Ends the server, which forgets its pages, and asks the system to forget its own.
        async Task<string> FreezeAsync()
        {
            NpgsqlConnection.ClearAllPools();
            await database.Server!.StopAsync();
            string said;
            try
            {
                await File.WriteAllTextAsync("/proc/sys/vm/drop_caches", "3", cancellationToken);
                said = "the system's page cache was dropped (`/proc/sys/vm/drop_caches`) and the server started anew";
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                said = "the server was started anew; the system's page cache could not be dropped and still had the files";
            }
            await database.Server.StartAsync();
            return said;
        }

        // The experiment that showed nothing, asked in several ways; without any index, and with one that fits.
        async Task<List<ScheduleResult>> SchedulesAsync(NpgsqlConnection connection)
        {
            var found = new List<ScheduleResult>();
            var today = TimeProvider.System.GetUtcNow().UtcDateTime.Date;
            string After(double share) => today.AddDays(-5 + (1 - share) * Catalogue.DatesOfConcert).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
            foreach (var (name, text) in new[]
            {
                ("95 % of the dates, all columns", $"""SELECT * FROM "Schedules" WHERE "StartsAt" > '{After(0.95)}'"""),
                ("20 %, all columns", $"""SELECT * FROM "Schedules" WHERE "StartsAt" > '{After(0.2)}'"""),
                ("1 %, all columns", $"""SELECT * FROM "Schedules" WHERE "StartsAt" > '{After(0.01)}'"""),
                ("20 %, only what the index has", $"""SELECT "ConcertId", "StartsAt" FROM "Schedules" WHERE "StartsAt" > '{After(0.2)}'"""),
                ("one concert, 20 % of its dates", $"""SELECT * FROM "Schedules" WHERE "ConcertId" = 7 AND "StartsAt" > '{After(0.2)}'"""),
                ("the next 21 of one concert", $"""SELECT * FROM "Schedules" WHERE "ConcertId" = 7 AND "StartsAt" > '{After(0.95)}' ORDER BY "StartsAt", "ScheduleId" LIMIT 21""")
            })
            {
                var statement = new Testing.Services.SentStatement(text, []);
                var forDates = text.Contains("\"ConcertId\" = 7", StringComparison.Ordinal) ? "" : """CREATE INDEX ON "Schedules" ("StartsAt", "ConcertId")""";
                await CatalogueDatabase.ExecuteAsync(connection, """BEGIN; DROP INDEX "IX_Schedules_ConcertId_StartsAt_ScheduleId" """, cancellationToken);
                var without = await Explained.RunAsync(connection, statement, _ => [], RunsWithout, Limit, cancellationToken);
                await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK", cancellationToken);
                if (forDates.Length > 0)
                    await CatalogueDatabase.ExecuteAsync(connection, $"""BEGIN; {forDates}""", cancellationToken);
                var with = await Explained.RunAsync(connection, statement, _ => [], RunsWithout, Limit, cancellationToken);
                if (forDates.Length > 0)
                    await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK", cancellationToken);
                found.Add(new ScheduleResult(name, without, with));
            }
            return found;
        }

        async Task<(Explained Free, Explained FreeOfDate, double Megabytes)> StatusAsync(NpgsqlConnection connection)
        {
            await CatalogueDatabase.ExecuteAsync(connection, """BEGIN; ALTER TABLE "Seats" DROP CONSTRAINT "PK_Seats"; CREATE INDEX study_status ON "Seats" ("Status")""", cancellationToken);
            var free = await Explained.RunAsync(connection, StudyCase.Own($"""SELECT * FROM "Seats" WHERE "Status" = 'Available'"""), _ => [], 3, Limit, cancellationToken);
            var ofDate = await Explained.RunAsync(connection, StudyCase.Own($"""SELECT * FROM "Seats" WHERE "ScheduleId" = {catalogue.DatesWithSeats} AND "Status" = 'Available'"""), _ => [], 3, Limit, cancellationToken);
            var megabytes = await MegabytesAsync(connection, "pg_relation_size('study_status')");
            await CatalogueDatabase.ExecuteAsync(connection, "ROLLBACK", cancellationToken);
            return (free, ofDate, megabytes);
        }

        async Task<double> MegabytesAsync(NpgsqlConnection connection, string size) =>
            Number((await CatalogueDatabase.QueryAsync(connection, $"SELECT {size} / 1048576.0", cancellationToken))[0][0]);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static async Task<NpgsqlConnection> OpenAsync(string address)
    {
        var connection = new NpgsqlConnection($"{address};Pooling=false;Max Auto Prepare=0;Command Timeout=0");
        await connection.OpenAsync();
        return connection;
    }
}
