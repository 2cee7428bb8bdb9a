using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Import;
using ConcertSaga.Seats.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Data;

/// <summary>The plan of a hall, from its file to <c>GET /api/schedules/{id}/plan</c>.</summary>
public sealed class VenuePlanTests(PostgreSqlServer server) : IDisposable
{
    private const string Header = "venuePlan,section,row,firstSeat,lastSeat";

    private const string Optional = "firstLabel,labelStep,priceGroup,accessible,companion,restrictedView";

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-import-").FullName;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Providers))]
    public async Task Import_VenuePlan_IsStoredOnceAndServedWithItsSchedules(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var plan = File("plan.csv", $"{Header},{Optional}\nHall,Stalls,A,1,20,39,-2,Gold,2 1,3,19 20\nHall,Balcony,B,41,60,,,,,,\n"
            + "Hall,Stalls,\"B, left\",21,40,1,1,Silver,,,\nCopy,Stalls,A,1,20,39,-2,Gold,1 2,3,20 19\n"
            + "Copy,Balcony,B,41,60,1,1,,,,\nCopy,Stalls,\"B, left\",21,40,1,1,Silver,,,\n");
        // Files are in any order.
        var result = await ImportAsync(seats,
            File("schedules.csv", "scheduleId,concertId,startsAt,venuePlan\n70,1,2026-07-01T20:00:00Z,Hall\n"
                + "71,1,2026-07-02T20:00:00Z,Copy\n72,1,2026-07-03T20:00:00Z,\n"), plan);
        Assert.Empty(result.FirstErrors);
        // A later import names the same plan again.
        Assert.Empty((await ImportAsync(seats, plan,
            File("more.csv", "scheduleId,concertId,startsAt,venuePlan\n73,1,2026-07-04T20:00:00Z,Hall\n"))).FirstErrors);

        Assert.Equal(1, await seats.Service.WithAsync<SeatsDbContext, int>(database => database.VenuePlans.CountAsync()));
        using var client = seats.Service.ClientOf("mina", passConcertId: 1);
        using var first = await client.GetAsync("/api/schedules/70/plan");
        Assert.Equal("max-age=300, private", first.Headers.CacheControl!.ToString());
        var view = (await first.Content.ReadFromJsonAsync<VenuePlanView>())!;
        Assert.Equal(["Stalls", "Balcony"], view.Sections.Select(section => section.Name));
        Assert.Equal(["A", "B, left"], view.Sections[0].Rows.Select(row => row.Name));
        var row = view.Sections[0].Rows[0];
        Assert.Equal((1, 20, 39, -2, "Gold"), (row.FirstSeat, row.LastSeat, row.FirstLabel, row.LabelStep, row.PriceGroup));
        Assert.Equal([[1, 2], [3], [19, 20]], new[] { row.Accessible, row.Companion, row.RestrictedView });
        var plain = view.Sections[1].Rows[0];
        Assert.Equal((41, 60, 1, 1, null), (plain.FirstSeat, plain.LastSeat, plain.FirstLabel, plain.LabelStep, plain.PriceGroup));
        Assert.Empty(plain.Accessible.Concat(plain.Companion).Concat(plain.RestrictedView));
        foreach (var schedule in new[] { 71, 73 })
        {
            using var other = await client.GetAsync($"/api/schedules/{schedule}/plan");
            Assert.Equal(first.Headers.ETag, other.Headers.ETag);
        }
        using var none = await client.GetAsync("/api/schedules/72/plan");
        Assert.Empty((await none.Content.ReadFromJsonAsync<VenuePlanView>())!.Sections);
        Assert.NotEqual(first.Headers.ETag, none.Headers.ETag);
    }

    [Fact]
    public async Task Plan_KnownCompressedOrHidden_IsAnsweredAccordingly()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        Assert.Empty((await ImportAsync(seats, File("plan.csv", $"{Header}\nHall,Stalls,A,1,20\n"),
            File("schedules.csv", "scheduleId,concertId,startsAt,venuePlan\n70,1,2026-07-01T20:00:00Z,Hall\n"))).FirstErrors);
        using var client = seats.Service.ClientOf("mina", passConcertId: 1);
        var plain = await client.GetStringAsync("/api/schedules/70/plan");

        client.DefaultRequestHeaders.Add("Accept-Encoding", "gzip, br");
        using var compressed = await client.GetAsync("/api/schedules/70/plan");
        Assert.Equal(["br"], compressed.Content.Headers.ContentEncoding);
        Assert.Contains("Accept-Encoding", compressed.Headers.Vary);
        await using var brotli = new BrotliStream(await compressed.Content.ReadAsStreamAsync(), CompressionMode.Decompress);
        Assert.Equal(plain, await new StreamReader(brotli).ReadToEndAsync());
        client.DefaultRequestHeaders.Remove("Accept-Encoding");
        client.DefaultRequestHeaders.Add("Accept-Encoding", "br;q=0");
        Assert.Equal(plain, await client.GetStringAsync("/api/schedules/70/plan"));

        client.DefaultRequestHeaders.Add("If-None-Match", compressed.Headers.ETag!.ToString());
        using var same = await client.GetAsync("/api/schedules/70/plan");
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        using var hidden = seats.Service.ClientOf("mina", passConcertId: 2);
        foreach (var address in new[] { "/api/schedules/70/plan", "/api/schedules/999/plan" })
        {
            using var refused = await hidden.GetAsync(address);
            Assert.Equal(404, (int)refused.StatusCode);
            Assert.Contains("SCHEDULE_NOT_FOUND", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Import_WrongVenuePlan_ChangesNothingAndNamesEachLine()
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        var plan = File("plan.csv", $"{Header},{Optional}\n" + string.Join('\n',
            "Hall,Stalls,A,1,20,,,,,,", "Hall,Stalls,B,20,30,,,,,,", "Hall,Stalls,C,40,39,,,,,,", "Hall,Stalls,D,50,59,,-1,,,,",
            "Hall,Stalls,E,60,69,,,,59,,", "Hall,Stalls,F,70,79,,,,,70 70,", "Hall,Stalls,G,80,89,,,,,,80-82", "Hall,,H,90,99,,,,,,",
            "Hall,Stalls,I,5,6,,,,,,", "Hall,Stalls,J,100,109,x,,,,,", "Other,Stalls,A,1,20,,,,,,"));
        var schedules = File("schedules.csv", "scheduleId,concertId,startsAt,venuePlan\n70,1,2026-07-01T20:00:00Z,Hall\n"
            + "71,1,2026-07-01T20:00:00Z,hall\n");

        var result = await ImportAsync(seats, schedules, plan);

        Assert.Equal(
        [
            "schedules.csv:3: venuePlan is 'hall'; allowed: a venue plan of the same import.",
            "plan.csv:3: seat 20 of venuePlan Hall is already in plan.csv:2.",
            "plan.csv:4: lastSeat is '39'; allowed: a whole number from 40 to 1000000.",
            "plan.csv:5: labelStep is '-1'; allowed: a step with which all labels are above 0.",
            "plan.csv:6: accessible is '59'; allowed: different seats from 60 to 69, with blanks between them.",
            "plan.csv:7: companion is '70 70'; allowed: different seats from 70 to 79, with blanks between them.",
            "plan.csv:8: restrictedView is '80-82'; allowed: different seats from 80 to 89, with blanks between them.",
            "plan.csv:9: section is ''; allowed: 1 to 200 characters in one line, some of them visible.",
            "plan.csv:10: seat 5 of venuePlan Hall is already in plan.csv:2.",
            "plan.csv:11: firstLabel is 'x'; allowed: a whole number from 1 to 1000000."
        ], result.FirstErrors.Select(error => error.ToString().Replace(_folder + "/", "", StringComparison.Ordinal))
            .OrderBy(error => error.StartsWith("plan", StringComparison.Ordinal)));
        Assert.Equal(10, result.ErrorCount);
        Assert.Equal(0, await seats.Service.WithAsync<SeatsDbContext, int>(database => database.VenuePlans.CountAsync()));
    }

    /// <summary>Sixty thousand seats in 1,500 rows need a few kilobytes, whatever the number of schedules.</summary>
    [Fact]
    public void Content_OfAStadium_IsSmall()
    {
        var sections = Enumerable.Range(1, 50).Select(section => new VenueSection($"Block {section}",
        [
            .. Enumerable.Range(0, 30).Select(row => new VenueRow($"{row + 1}", (((section - 1) * 30) + row) * 40 + 1,
                (((section - 1) * 30) + row + 1) * 40, 1, 1, row < 10 ? "A" : "B", row == 0 ? [(section - 1) * 1_200 + 1] : [], [], []))
        ]));
        var view = new VenuePlanView([.. sections]);

        Assert.InRange(VenuePlan.Of(view).Content.Length, 1, 12_000);
        Assert.True(JsonSerializer.SerializeToUtf8Bytes(view, JsonSerializerOptions.Web).Length > 150_000);
    }

    private static Task<ImportResult> ImportAsync(SeatsUnderTest seats, params string[] files) =>
        seats.Service.WithAsync<SeatsDbContext, ImportResult>(database =>
            SeatImport.RunAsync(database, files, dryRun: false, null, CancellationToken.None));

    private string File(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }
}
