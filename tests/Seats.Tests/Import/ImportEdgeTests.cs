using System.Globalization;
using System.Text;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Import;

/// <summary>Concurrent imports, plans that are too large, and text with invisible characters.</summary>
public sealed class ImportEdgeTests(PostgreSqlServer server) : IDisposable
{
    private const string Header = "concertId,title,venue,saleOpensAt,saleClosesAt";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-import-").FullName;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_SeveralAtOnce_OneSucceedsAndTheOthersNameEveryRow(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        for (var round = 0; round < 5; round++)
        {
            var id = 100 + round;
            string[] plan =
            [
                File($"concerts{round}.csv", $"{Header}\n{id},Twice,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z\n"),
                File($"schedules{round}.csv", $"scheduleId,concertId,startsAt\n{id},{id},2026-07-01T20:00:00Z\n"),
                File($"seats{round}.csv", "scheduleId,number,price\n"
                    + string.Join('\n', Enumerable.Range(1, 500).Select(number => $"{id},{number},100")))
            ];

            var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => ImportAsync(seats, plan))));

            Assert.Equal(500, Assert.Single(results, result => result.ErrorCount == 0).Seats);
            Assert.All(results.Where(result => result.ErrorCount != 0), result =>
            {
                Assert.Equal(502, result.ErrorCount);
                Assert.Equal($"{plan[0]}:2: there is already a concert {id}.", result.FirstErrors[0].ToString());
                Assert.Equal($"{plan[1]}:2: there is already a schedule {id}.", result.FirstErrors[1].ToString());
                Assert.Equal($"{plan[2]}:2: schedule {id} already has a seat 1.", result.FirstErrors[2].ToString());
            });
            Assert.Equal(500, (await seats.AssertConsistentAsync(id)).TotalSeats);
        }
    }

    /// <summary>An operator's statement, or the demo data, has inserted the same row but not yet committed it.</summary>
    [Theory]
    [InlineData("""INSERT INTO "Concerts" VALUES (7, 'By hand', 'Hall', now(), now() + interval '1 day')""",
        "concerts.csv:2: there is already a concert 7.")]
    [InlineData(
        """
        INSERT INTO "Schedules" ("ScheduleId", "ConcertId", "StartsAt", "TotalSeats", "AvailableSeats", "Version")
        VALUES (70, 1, now(), 0, 0, 0)
        """,
        "schedules.csv:2: there is already a schedule 70.")]
    [InlineData("""INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status") VALUES (1, 4, 100, 'Available')""",
        "seats.csv:2: schedule 1 already has a seat 4.")]
    public async Task Import_WhileARowIsInsertedByHand_NamesIt(string statement, string expected)
    {
        await using var seats = await StartAsync(DatabaseProvider.PostgreSql, server);
        Assert.Equal(1, await seats.AddScheduleAsync(seats: 3));
        string[] plan =
        [
            File("concerts.csv", $"{Header}\n7,Imported,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z\n"),
            File("schedules.csv", "scheduleId,concertId,startsAt\n70,7,2026-07-01T20:00:00Z\n"),
            File("seats.csv", "scheduleId,number,price\n1,4,100\n")
        ];
        await using var connection = new NpgsqlConnection(seats.ConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await ExecuteAsync(connection, statement);

        var import = Task.Run(() => ImportAsync(seats, plan));
        await Eventually.TrueAsync(async () => (long)(await ScalarAsync(seats,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"))! > 0, Limit,
                "the import waits");
        await transaction.CommitAsync();

        var result = await import;
        Assert.Equal(1, result.ErrorCount);
        Assert.EndsWith(expected, result.FirstErrors.Single().ToString(), StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_TooManySeatsForOneMap_NamesTheSchedule(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.SaveAsync(
            new Schedule { ScheduleId = 60, ConcertId = 1, StartsAt = Now.AddDays(9), TotalSeats = 499_998, AvailableSeats = 0 },
            new Schedule { ScheduleId = 61, ConcertId = 1, StartsAt = Now.AddDays(9), TotalSeats = 499_998, AvailableSeats = 0 });
        var plan = File("large.csv", "scheduleId,number,price\n60,1,1\n61,1,1\n60,2,1\n61,2,1\n60,3,1\n");

        var result = await ImportAsync(seats, plan);

        var error = Assert.Single(result.FirstErrors);
        Assert.Equal(1, result.ErrorCount);
        Assert.Equal((2, "schedule 60 would have 500001 seats; allowed: at most 500000, because its seats are served as one map."),
            (error.Line, error.Reason));
        Assert.Equal(2, (await ImportAsync(seats, File("fits.csv", "scheduleId,number,price\n60,1,1\n60,2,1\n"))).Seats);
    }

    /// <summary>Checks every Unicode character: a terminal never receives an invisible one, but its escape.</summary>
    [Fact]
    public void Printable_EveryCharacter_IsShownOrEscaped()
    {
        UnicodeCategory[] hidden =
        [
            UnicodeCategory.Control, UnicodeCategory.Format, UnicodeCategory.LineSeparator, UnicodeCategory.ParagraphSeparator,
            UnicodeCategory.PrivateUse, UnicodeCategory.OtherNotAssigned
        ];
        for (var value = 0; value <= 0x10FFFF; value++)
        {
            if (!Rune.IsValid(value))
                continue;
            var text = new Rune(value).ToString();
            var shown = Printable.Of(text);
            if (hidden.Contains(Rune.GetUnicodeCategory(new Rune(value))))
                Assert.Equal(string.Concat(text.Select(unit => $"\\u{(int)unit:x4}")), shown);
            Assert.DoesNotContain(shown.EnumerateRunes(), rune => hidden.Contains(Rune.GetUnicodeCategory(rune)));
            // A line of only this character counts as visible only if the character is not escaped.
            Assert.True(!Printable.IsVisibleLine(text + text) || shown == text, $"U+{value:X4}");
        }
        Assert.Equal("a\\ud800b", Printable.Of("a\ud800b"));
        Assert.Equal("Größe 9 – “Ja”, 東京 🎻", Printable.Of("Größe 9 – “Ja”, 東京 🎻"));
    }

    [Theory]
    [InlineData("\u200B")]
    [InlineData("\u00AD\u2060")]
    [InlineData(" \u00A0\u3000")]
    [InlineData("\u202E\u2066\u2069")]
    [InlineData("\u3164")]
    [InlineData("\u2800\u2800")]
    [InlineData("\u0301\uFE0F")]
    [InlineData("\U000E0041")]
    [InlineData("Winter\u0007")]
    [InlineData("Winter\u001b[2J")]
    [InlineData("Winter\u0085Lights")]
    [InlineData("Winter\u2028Lights")]
    public async Task Import_InvisibleTitleOrVenue_IsRefusedAndShownEscaped(string text)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        const string sale = "2026-05-31T12:00:00Z,2026-08-01T00:00:00Z";
        var plan = File("unseen.csv", $"{Header}\n5,\"{text}\",Hall,{sale}\n6,Title,\"{text}\",{sale}\n");

        var result = await ImportAsync(seats, plan);

        Assert.Equal(["title is ", "venue is "], result.FirstErrors.Select(error => error.Reason[..9]));
        Assert.All(result.FirstErrors, error => Assert.Equal(Printable.Of(error.ToString()), error.ToString()));
        Assert.All(result.FirstErrors, error => Assert.Contains($"'{Printable.Of(text)}'", error.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Import_TitleWithJoinersAndMarks_IsAccepted()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        var plan = File("joined.csv", $"{Header}\n5,क्\u200Dष 👩\u200D🎤 e\u0301,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z\n");

        Assert.Equal(1, (await ImportAsync(seats, plan)).Concerts);
    }

    [Fact]
    public async Task Program_ImportOfHostileNames_WritesNoEscapeCodes()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        string[] settings =
        [
            "--Database:Provider=Sqlite", $"--ConnectionStrings:Seats={seats.ConnectionString}", "--Gateway:Secret=a secret of sixteen",
            "--ConnectionStrings:RabbitMq=amqp://127.0.0.1:1/"
        ];
        var wrong = File("a\u001b[2J.csv", "scheduleId,number,price\n1,\u001b[31msix,100\n");
        var header = File("h\u001b[2J.csv", "scheduleId,\u001b[31mnumber\n");

        foreach (var (code, arguments) in new[] { (2, wrong), (1, header), (1, Path.Combine(_folder, "no\u001b[2Jwhere.csv")),
            (1, "--\u001b[2J") })
        {
            var (exitCode, output) = await ServiceProcess.RunAsync("Services/Seats", ["import", arguments, .. settings]);
            Assert.Equal(code, exitCode);
            Assert.Contains("\\u001b[", output, StringComparison.Ordinal);
            Assert.DoesNotContain('\u001b', output);
        }
    }

    /// <summary>The program suggests the command migrate only if the tables are missing.</summary>
    [Fact]
    public async Task Program_UnusableDatabase_SuggestsMigrateOnlyIfItHelps()
    {
        string[] settings = ["--Gateway:Secret=a secret of sixteen", "--ConnectionStrings:RabbitMq=amqp://127.0.0.1:1/"];
        var plan = File("plan.csv", "scheduleId,number,price\n1,1,100\n");
        var empty = await server.CreateDatabaseAsync("empty");

        await ExpectAsync(true, "--Database:Provider=Sqlite", $"--ConnectionStrings:Seats=Data Source={Path.Combine(_folder, "empty.db")}");
        await ExpectAsync(true, "--Database:Provider=PostgreSql", $"--ConnectionStrings:Seats={empty}");
        await ExpectAsync(false, "--Database:Provider=PostgreSql",
            "--ConnectionStrings:Seats=Host=127.0.0.1;Port=1;Database=x;Username=x;Password=x");

        async Task ExpectAsync(bool isSuggested, params string[] database)
        {
            var (exitCode, output) = await ServiceProcess.RunAsync("Services/Seats", ["import", plan, .. settings, .. database]);
            Assert.True(exitCode == 1 && output.Contains("The database cannot be used", StringComparison.Ordinal), $"{exitCode}: {output}");
            Assert.True(output.Contains("migrate", StringComparison.Ordinal) == isSuggested, output);
        }
    }

    private static Task<ImportResult> ImportAsync(SeatsUnderTest seats, params string[] files) =>
        seats.Service.WithAsync<SeatsDbContext, ImportResult>(database =>
            SeatImport.RunAsync(database, files, false, null, CancellationToken.None));

    private static async Task ExecuteAsync(NpgsqlConnection connection, string statement)
    {
#pragma warning disable CA2100 // The statement is a constant of the test.
        await using var command = new NpgsqlCommand(statement, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> ScalarAsync(SeatsUnderTest seats, string statement)
    {
        await using var connection = new NpgsqlConnection(seats.ConnectionString);
        await connection.OpenAsync();
#pragma warning disable CA2100 // The statement is a constant of the test.
        await using var command = new NpgsqlCommand(statement, connection);
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync();
    }

    private string File(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, text, new UTF8Encoding(false));
        return path;
    }
}
