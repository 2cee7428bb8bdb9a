using System.Text;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Import;

public sealed class SeatImportTests(PostgreSqlServer server) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-import-").FullName;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_WholePlan_CanBeReserved(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);

        // Files and columns are in any order: seats come both first and last.
        var result = await ImportAsync(seats, dryRun: false,
            File("b.csv", "Price,scheduleId,NUMBER\r\n1500,70,1\r\n1500,70,2\r\n"),
            File("c.csv",
                "concertId,title,venue,saleOpensAt,saleClosesAt\n7,\"Say \"\"Ja\"\", twice\",Größe "
                    + "9,2026-05-31T12:00:00Z,2026-08-01T00:00+02:00\n", bom: true),
            File("d.csv", "scheduleId,concertId,startsAt\n70,7,2026-07-01 20:00:00+02:00\n\n71,7,2026-07-02T20:00:00.5Z"),
            File("e.csv", "scheduleId,number,price\n70,3,900\n"));

        Assert.Empty(result.FirstErrors);
        Assert.Equal((1L, 2L, 3L), (result.Concerts, result.Schedules, result.Seats));
        var schedule = await seats.AssertConsistentAsync(70);
        Assert.Equal((7, 3, 3, 0L), (schedule.ConcertId, schedule.TotalSeats, schedule.AvailableSeats, schedule.Version));
        Assert.Equal(new DateTimeOffset(2026, 7, 1, 18, 0, 0, TimeSpan.Zero), schedule.StartsAt);
        var concert = await seats.Service.WithAsync<SeatsDbContext, Concert>(
            database => database.Concerts.SingleAsync(row => row.ConcertId == 7));
        Assert.Equal(("Say \"Ja\", twice", "Größe 9"), (concert.Title, concert.Venue));
        Assert.Equal(new DateTimeOffset(2026, 7, 31, 22, 0, 0, TimeSpan.Zero), concert.SaleClosesAt);
        Assert.IsType<Contracts.Seats.SeatsHeld>(await seats.AskAsync(Hold(70, 1, 3)));
        Assert.Equal(1, (await seats.AssertConsistentAsync(70)).AvailableSeats);
        using var client = seats.Service.ClientOf("mina");
        Assert.Contains("\"totalSeats\":3,\"availableSeats\":1", await client.GetStringAsync("/api/concerts/7/schedules"),
            StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_MoreSeatsForASchedule_KeepsItsCountExact(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 3);
        await seats.AskAsync(Hold(scheduleId, 1, 2));

        var plan = File("more.csv", $"scheduleId,number,price\n{scheduleId},4,100\n{scheduleId},5,100\n");

        Assert.Empty((await ImportAsync(seats, dryRun: false, plan)).FirstErrors);

        var schedule = await seats.AssertConsistentAsync(scheduleId);
        Assert.Equal((5, 3, 2L), (schedule.TotalSeats, schedule.AvailableSeats, schedule.Version));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_WrongLines_ChangesNothingAndNamesEach(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 3);
        var concerts = File("concerts.csv", """
            concertId,title,venue,saleOpensAt,saleClosesAt
            5,Fine,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z
            1,There already,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z
            5,Again,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z
            6,,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z
            8,No offset,Hall,2026-05-31T12:00:00,2026-08-01T00:00:00Z
            9,Ends before it begins,Hall,2026-08-01T12:00:00Z,2026-08-01T00:00:00Z
            """);
        var schedules = File("schedules.csv", $"""
            scheduleId,concertId,startsAt
            90,5,2026-07-01T20:00:00Z
            90,5,2026-07-02T20:00:00Z
            {scheduleId},5,2026-07-02T20:00:00Z
            91,4711,2026-07-02T20:00:00Z
            92,5,soon
            -1,5,2026-07-02T20:00:00Z
            093,5,2026-07-02T20:00:00Z
            94,5,2026-07-02
            """);
        var plan = File("seats.csv", string.Join('\n',
            "scheduleId,number,price", "90,1,100", "90,2", "90,2,100,1", "90,x,100", "90,0,100", "90,3,-5", "90,3,100000001", "4711,1,100",
            "90,1,200", $"{scheduleId},3,100", "90,\"4\"x,100", "90,\"", "5\",100", "90,6,100", "90,6,100", "91,1,100"));

        var result = await ImportAsync(seats, dryRun: false, plan, concerts, schedules);

        Assert.Equal(
        [
            "concerts.csv:3: there is already a concert 1.",
            "concerts.csv:4: concertId 5 is already in concerts.csv:2.",
            "concerts.csv:5: title is ''; allowed: 1 to 200 characters in one line, some of them visible.",
            "concerts.csv:6: saleOpensAt is '2026-05-31T12:00:00'; allowed: a time with its offset, such as 2026-12-24T19:30:00+01:00.",
            "concerts.csv:7: saleClosesAt is '2026-08-01T00:00:00Z'; allowed: after saleOpensAt.",
            "schedules.csv:3: scheduleId 90 is already in schedules.csv:2.",
            $"schedules.csv:4: there is already a schedule {scheduleId}.",
            "schedules.csv:5: there is no concert 4711.",
            "schedules.csv:6: startsAt is 'soon'; allowed: a time with its offset, such as 2026-12-24T19:30:00+01:00.",
            "schedules.csv:7: scheduleId is '-1'; allowed: a whole number from 1 to 2147483647.",
            "schedules.csv:8: scheduleId is '093'; allowed: a whole number from 1 to 2147483647.",
            "schedules.csv:9: startsAt is '2026-07-02'; allowed: a time with its offset, such as 2026-12-24T19:30:00+01:00.",
            "seats.csv:3: it has 2 fields; allowed: 3, as in the first line.",
            "seats.csv:4: it has 4 fields; allowed: 3, as in the first line.",
            "seats.csv:5: number is 'x'; allowed: a whole number from 1 to 1000000.",
            "seats.csv:6: number is '0'; allowed: a whole number from 1 to 1000000.",
            "seats.csv:7: price is '-5'; allowed: a whole number from 1 to 100000000.",
            "seats.csv:8: price is '100000001'; allowed: a whole number from 1 to 100000000.",
            "seats.csv:9: there is no schedule 4711.",
            "seats.csv:10: seat 1 of schedule 90 is already in seats.csv:2.",
            $"seats.csv:11: schedule {scheduleId} already has a seat 3.",
            "seats.csv:12: its quotes are wrong; allowed: quotes around the whole field, doubled inside it.",
            "seats.csv:13: number is '\\u000a5'; allowed: a whole number from 1 to 1000000.",
            "seats.csv:16: seat 6 of schedule 90 is already in seats.csv:15."
        ], result.FirstErrors.Select(error =>
            (error with { File = Path.GetFileName(error.File), Reason = error.Reason.Replace(_folder + "/", "", StringComparison.Ordinal) })
            .ToString()));
        Assert.Equal(24, result.ErrorCount);
        await AssertUntouchedAsync(seats, schedules: 1, seatCount: 3);
        var schedule = await seats.AssertConsistentAsync(scheduleId);
        Assert.Equal((3, 0L), (schedule.TotalSeats, schedule.Version));
    }

    [Theory]
    [InlineData("scheduleId,number,price\n1,1,\"100\n1,2,100\n", "2: its quotes are wrong")]
    [InlineData("scheduleId,number,price\n1,9,100\n1,2,\"LONG", "3: a field is longer than")]
    [InlineData("scheduleId,number,price\n1,\u0000,100\n", "2: number is ")]
    [InlineData("concertId,title,venue,saleOpensAt,saleClosesAt\n5,\uFFFD,Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z\n",
        "2: title is not UTF-8")]
    [InlineData("concertId,title,venue,saleOpensAt,saleClosesAt\n5,\"a\nb\",Hall,2026-05-31T12:00:00Z,2026-08-01T00:00:00Z\n",
        "2: title is 'a\\u000ab'")]
    public async Task Import_BrokenText_IsReportedWithItsLine(string text, string expected)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        await seats.AddScheduleAsync(seats: 3);

        var result = await ImportAsync(seats, dryRun: false,
            File("broken.csv", text.Replace("LONG", new string('9', 100_000), StringComparison.Ordinal)));

        Assert.StartsWith(Path.Combine(_folder, "broken.csv:") + expected, result.FirstErrors[0].ToString(), StringComparison.Ordinal);
        await AssertUntouchedAsync(seats, schedules: 1, seatCount: 3);
    }

    [Theory]
    [InlineData("")]
    [InlineData("number,price\n1,100\n")]
    [InlineData("scheduleId,number,price,colour\n1,1,100,red\n")]
    [InlineData("1,1,100\n")]
    public async Task Import_WithoutItsColumns_IsRefused(string text)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);

        var refused = await Assert.ThrowsAsync<StartupException>(() => ImportAsync(seats, dryRun: false, File("other.csv", text)));

        Assert.Contains("scheduleId,number,price", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StartupException>(() => ImportAsync(seats, dryRun: false, Path.Combine(_folder, "nowhere.csv")));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_ManyWrongLines_NamesAHundredAndCountsAll(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 3);
        // Half of the lines are invalid by themselves, the others only against the database.
        var lines = Enumerable.Range(1, 2_000).Select(line => line % 2 == 0 ? $"{scheduleId},{line},none" : $"4711,{line},100");

        var result = await ImportAsync(seats, dryRun: false, File("many.csv", "scheduleId,number,price\n" + string.Join('\n', lines)));

        Assert.Equal(2_000, result.ErrorCount);
        Assert.Equal(Enumerable.Range(2, 100), result.FirstErrors.Select(error => error.Line));
        await AssertUntouchedAsync(seats, schedules: 1, seatCount: 3);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_DryRun_ChecksAndChangesNothing(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 3);
        var plan = File("dry.csv", $"scheduleId,number,price\n{scheduleId},4,100\n");

        Assert.Equal(1, (await ImportAsync(seats, dryRun: true, plan)).Seats);
        await AssertUntouchedAsync(seats, schedules: 1, seatCount: 3);
        // The dry run has removed its temporary tables.
        Assert.Equal(1, (await ImportAsync(seats, dryRun: false, plan)).Seats);
        Assert.Equal(1, (await ImportAsync(seats, dryRun: false, plan)).ErrorCount);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_WhileSeatsAreSold_BlocksNeitherReadersNorOtherSchedules(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.WarmUpAsync();
        var (growing, other) = (await seats.AddScheduleAsync(seats: 4), await seats.AddScheduleAsync(seats: 400));
        var plan = File("large.csv", "scheduleId,number,price\n"
            + string.Join('\n', Enumerable.Range(5, 60_000).Select(number => $"{growing},{number},100")));
        using var client = seats.Service.ClientOf("mina");

        var import = Task.Run(() => ImportAsync(seats, dryRun: false, plan));
        var reads = 0;
        for (var number = 1; !import.IsCompleted; number++)
        {
            var map = await client.GetStringAsync($"/api/schedules/{growing}/seats");
            // A reader sees all new seats or none.
            Assert.True(!map.Contains("\"number\":5,", StringComparison.Ordinal)
                || map.Contains("\"number\":60004,", StringComparison.Ordinal));
            if (number <= 400)
                Assert.IsType<Contracts.Seats.SeatsHeld>(await seats.AskAsync(Hold(other, number)));
            reads++;
        }

        Assert.Empty((await import).FirstErrors);
        // SQLite has one writer, so a hold may wait for the whole import. The read before it does not.
        Assert.True(reads > (provider == DatabaseProvider.Sqlite ? 0 : 2), $"only {reads} reads");
        Assert.Equal(60_004, (await seats.AssertConsistentAsync(growing)).AvailableSeats);
        await seats.AssertConsistentAsync(other);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Program_Import_ReturnsItsExitCode(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 3);
        string[] settings =
        [
            $"--Database:Provider={provider}", $"--ConnectionStrings:Seats={seats.ConnectionString}",
            "--Gateway:Secret=a secret of sixteen",
            // No broker listens there, and the import needs none.
            "--ConnectionStrings:RabbitMq=amqp://127.0.0.1:1/"
        ];
        var right = File("right.csv", $"scheduleId,number,price\n{scheduleId},4,100\n{scheduleId},5,100\n");
        var wrong = File("wrong.csv", $"scheduleId,number,price\n{scheduleId},6,100\n{scheduleId},six,100\n");

        await ExpectAsync(0, "Would import 0 concerts, 0 schedules and 2 seats", ["import", right, "--dry-run", .. settings]);
        await ExpectAsync(0, "Imported 0 concerts, 0 schedules and 2 seats", ["import", right, .. settings]);
        await ExpectAsync(2, "wrong.csv:3: number is 'six'", ["import", wrong, .. settings]);
        await ExpectAsync(2, "2 lines are wrong; nothing was imported.", ["import", right, .. settings, "--dry-run"]);
        await ExpectAsync(1, "cannot be read", ["import", Path.Combine(_folder, "nowhere.csv"), .. settings]);
        await ExpectAsync(1, "import needs a file", ["import", .. settings]);
        await ExpectAsync(1, "'--dry-run' is not an option", ["--dry-run", .. settings]);
        await ExpectAsync(1, "'load' is not a command; allowed: migrate, import.", ["load", .. settings]);
        Assert.Equal(5, (await seats.AssertConsistentAsync(scheduleId)).TotalSeats);

        static async Task ExpectAsync(int code, string text, string[] arguments)
        {
            var (exitCode, output) = await ServiceProcess.RunAsync("Services/Seats", arguments);
            Assert.True(exitCode == code && output.Contains(text, StringComparison.Ordinal), $"{exitCode}: {output}");
        }
    }

    private static Task<ImportResult> ImportAsync(SeatsUnderTest seats, bool dryRun, params string[] files) =>
        seats.Service.WithAsync<SeatsDbContext, ImportResult>(database =>
            SeatImport.RunAsync(database, files, dryRun, null, CancellationToken.None));

    private static async Task AssertUntouchedAsync(SeatsUnderTest seats, int schedules, int seatCount) =>
        Assert.Equal((2, schedules, seatCount), await seats.Service.WithAsync<SeatsDbContext, (int, int, int)>(async database =>
            (await database.Concerts.CountAsync(), await database.Schedules.CountAsync(), await database.Seats.CountAsync())));

    private string File(string name, string text, bool bom = false)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, text, new UTF8Encoding(bom));
        return path;
    }
}
