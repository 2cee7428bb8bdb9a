using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Import;

/// <summary>The time zone of a concert, from its plan to its customers.</summary>
public sealed class TimeZoneTests(PostgreSqlServer server) : IDisposable
{
    private const string Header = "timeZone,concertId,title,venue,saleOpensAt,saleClosesAt";

    private const string Rest = "Title,Hall,2026-05-31T12:00:00Z,2027-01-01T00:00:00Z";

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-import-").FullName;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_TimeZone_IsShownWithTheConcertAndItsSchedules(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);

        // Daylight saving repeats the hour from 2:00 on 25 October in Berlin, and skips it on 28 March. The offset decides.
        var result = await ImportAsync(seats,
            File("concerts.csv", $"{Header}\nEurope/Berlin,7,{Rest}\nAmerica/Argentina/Ushuaia,8,{Rest}\n,9,{Rest}\nUTC,10,{Rest}\n"),
            File("others.csv", $"{Header["timeZone,".Length..]}\n11,{Rest}\n"),
            File("schedules.csv", "scheduleId,concertId,startsAt\n70,7,2026-10-25T02:30:00+02:00\n71,7,2026-10-25T02:30:00+01:00\n"
                + "72,7,2027-03-28T02:30:00+01:00\n"));

        Assert.Empty(result.FirstErrors);
        using var client = seats.Service.ClientOf("mina");
        var concerts = await ItemsAsync(client, "/api/concerts");
        Assert.Equal(["UTC", "UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "UTC", "UTC", "UTC"],
            concerts.Select(concert => concert.GetProperty("timeZone").GetString()));
        var schedules = await ItemsAsync(client, "/api/concerts/7/schedules");
        Assert.All(schedules, schedule => Assert.Equal("Europe/Berlin", schedule.GetProperty("timeZone").GetString()));
        Assert.Equal(
            [
                new(2026, 10, 25, 0, 30, 0, TimeSpan.Zero), new(2026, 10, 25, 1, 30, 0, TimeSpan.Zero),
                new DateTimeOffset(2027, 3, 28, 1, 30, 0, TimeSpan.Zero)
            ],
            schedules.Select(schedule => schedule.GetProperty("startsAt").GetDateTimeOffset()));
    }

    [Theory]
    [InlineData("Europe/Nowhere")]
    [InlineData("Korea Standard Time")]
    [InlineData("asia/seoul")]
    [InlineData("EST")]
    [InlineData("+09:00")]
    [InlineData("posix/Europe/Berlin")]
    [InlineData("localtime")]
    [InlineData("../../../etc/localtime")]
    [InlineData(" Asia/Seoul")]
    public async Task Import_UnknownTimeZone_IsRefusedWithItsLine(string zone)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);

        var result = await ImportAsync(seats, File("concerts.csv", $"{Header}\nAsia/Seoul,7,{Rest}\n{zone},8,{Rest}\n"));

        var error = Assert.Single(result.FirstErrors);
        Assert.Equal((3, $"timeZone is '{zone}'; allowed: the IANA name of a time zone, such as Asia/Seoul."), (error.Line, error.Reason));
    }

    [Theory]
    [InlineData($"{Header},timeZone")]
    [InlineData("timeZone,concertId,title,venue,saleOpensAt")]
    [InlineData($"{Header},offset")]
    public async Task Import_TimeZoneTwiceOrInPlaceOfARequiredColumn_IsRefused(string header)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);

        var refused = await Assert.ThrowsAsync<StartupException>(() => ImportAsync(seats, File("concerts.csv", header)));

        Assert.Contains("allowed, in any order: concertId,title,venue,saleOpensAt,saleClosesAt[,timeZone] or ", refused.Message,
            StringComparison.Ordinal);
    }

    private static Task<ImportResult> ImportAsync(SeatsUnderTest seats, params string[] files) =>
        seats.Service.WithAsync<SeatsDbContext, ImportResult>(database =>
            SeatImport.RunAsync(database, files, dryRun: false, null, CancellationToken.None));

    private static async Task<List<JsonElement>> ItemsAsync(HttpClient client, string address) =>
        [.. (await client.GetFromJsonAsync<JsonElement>(address)).GetProperty("items").EnumerateArray()];

    private string File(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }
}
