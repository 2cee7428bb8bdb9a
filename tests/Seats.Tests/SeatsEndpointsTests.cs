using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests;

public sealed class SeatsEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory]
    [InlineData("/api/concerts")]
    [InlineData("/api/concerts/1/schedules")]
    [InlineData("/api/schedules/1/seats")]
    [InlineData("/internal/schedules/1")]
    [InlineData("/metrics")]
    [InlineData("/nowhere")]
    public async Task AnyRoute_WithoutTheSecret_Is404(string path)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        await seats.AddDateAsync();

        Assert.Equal(HttpStatusCode.NotFound, (await seats.Service.Stranger.GetAsync(path)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await seats.Service.Stranger.GetAsync("/health/ready")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await seats.Service.Stranger.GetAsync("/health/live")).StatusCode);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ListConcerts_PageByPage_GivesEachOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.AddDateAsync(startsAt: Now.AddDays(3));
        await seats.AddDateAsync(startsAt: Now.AddDays(2));
        using var client = seats.Service.ClientOf("mina");
        client.DefaultRequestHeaders.Remove("X-User-Id");

        var first = await client.GetFromJsonAsync<JsonElement>("/api/concerts?limit=1");
        var concert = first.GetProperty("items").EnumerateArray().Single();
        Assert.Equal(1, concert.GetProperty("concertId").GetInt32());
        Assert.Equal(Now.AddDays(2), concert.GetProperty("firstDate").GetDateTimeOffset());
        Assert.Equal(Now.AddDays(3), concert.GetProperty("lastDate").GetDateTimeOffset());
        Assert.Equal(Now.AddDays(-1), concert.GetProperty("saleOpensAt").GetDateTimeOffset());

        var second = await client.GetFromJsonAsync<JsonElement>($"/api/concerts?limit=1&cursor={first.GetProperty("nextCursor").GetString()}");
        Assert.Equal(2, second.GetProperty("items").EnumerateArray().Single().GetProperty("concertId").GetInt32());
        Assert.Equal(JsonValueKind.Null, second.GetProperty("nextCursor").ValueKind);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Schedule_AskedForByAGateway_NamesItsConcert(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddDateAsync(concertId: 2);
        using var gateway = seats.Service.ClientOf("mina");
        gateway.DefaultRequestHeaders.Remove("X-User-Id");

        Assert.Equal($$"""{"scheduleId":{{scheduleId}},"concertId":2}""", await gateway.GetStringAsync($"/internal/schedules/{scheduleId}"));
        using var unknown = await gateway.GetAsync("/internal/schedules/4711");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Equal("SCHEDULE_NOT_FOUND", (await unknown.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ListSchedules_FutureDates_InOrderAndPageByPage(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.AddDateAsync(startsAt: Now);
        var last = await seats.AddDateAsync(startsAt: Now.AddDays(9));
        // Two start at the same instant, which a cursor of the instant alone would confuse.
        var twin = await seats.AddDateAsync(startsAt: Now.AddDays(1));
        var otherTwin = await seats.AddDateAsync(startsAt: Now.AddDays(1));
        await seats.AddDateAsync(concertId: 2);
        using var client = seats.Service.ClientOf("mina", passConcertId: 1);

        var found = new List<int>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await client.GetFromJsonAsync<JsonElement>($"/api/concerts/1/schedules?limit=1&cursor={cursor}");
            found.AddRange(page.GetProperty("items").EnumerateArray().Select(date => date.GetProperty("scheduleId").GetInt32()));
            cursor = page.GetProperty("nextCursor").GetString();
        }
        Assert.Equal([twin, otherTwin, last], found);

        var from = Uri.EscapeDataString(Now.AddDays(1).AddSeconds(1).ToOffset(TimeSpan.FromHours(9)).ToString("O"));
        var later = await client.GetFromJsonAsync<JsonElement>($"/api/concerts/1/schedules?from={from}");
        Assert.Equal(last, later.GetProperty("items").EnumerateArray().Single().GetProperty("scheduleId").GetInt32());
        var to = Uri.EscapeDataString(Now.AddDays(9).ToString("O"));
        var sooner = await client.GetFromJsonAsync<JsonElement>($"/api/concerts/1/schedules?to={to}");
        Assert.Equal(2, sooner.GetProperty("items").GetArrayLength());
    }

    [Theory]
    [InlineData("/api/concerts/99/schedules", null, 404, "CONCERT_NOT_FOUND")]
    [InlineData("/api/concerts/1/schedules", 2, 404, "CONCERT_NOT_FOUND")]
    [InlineData("/api/concerts/x/schedules", null, 404, "NOT_FOUND")]
    [InlineData("/api/concerts/1/schedules?limit=0", null, 400, "BAD_REQUEST")]
    [InlineData("/api/concerts/1/schedules?limit=101", null, 400, "BAD_REQUEST")]
    [InlineData("/api/concerts/1/schedules?cursor=%00", null, 400, "BAD_REQUEST")]
    [InlineData("/api/concerts/1/schedules?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTox", null, 400, "BAD_REQUEST")]
    [InlineData("/api/concerts/1/schedules?from=soon", null, 400, "BAD_REQUEST")]
    [InlineData("/api/schedules/99/seats", null, 404, "SCHEDULE_NOT_FOUND")]
    [InlineData("/api/schedules/1/seats", 2, 404, "SCHEDULE_NOT_FOUND")]
    public async Task Read_WhatIsNotThere_IsAProblemWithItsCode(string path, int? passConcertId, int status, string code)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        await seats.AddDateAsync();
        using var client = seats.Service.ClientOf("mina", passConcertId);

        using var response = await client.GetAsync(path);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        var problem = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(code, problem.GetProperty("code").GetString());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task GetSeats_AfterAHold_ShowsItUnderANewTag(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddDateAsync(seats: 3);
        using var client = seats.Service.ClientOf("mina", passConcertId: 1);

        using var before = await client.GetAsync($"/api/schedules/{scheduleId}/seats");
        Assert.Equal("no-cache, private", before.Headers.CacheControl!.ToString());
        Assert.Equal("\"0\"", before.Headers.ETag!.Tag);
        client.DefaultRequestHeaders.IfNoneMatch.Add(before.Headers.ETag);
        using var same = await client.GetAsync($"/api/schedules/{scheduleId}/seats");
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        Assert.Equal("\"0\"", same.Headers.ETag!.Tag);

        var hold = Hold(scheduleId, 2);
        await seats.AskAsync(hold);
        await seats.ConfirmAsync(hold.ReservationId);
        await seats.AskAsync(Hold(scheduleId, 3));

        using var after = await client.GetAsync($"/api/schedules/{scheduleId}/seats");
        Assert.Equal("\"3\"", after.Headers.ETag!.Tag);
        var map = await after.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal((scheduleId, 3), (map.GetProperty("scheduleId").GetInt32(), map.GetProperty("version").GetInt32()));
        Assert.Equal(["1 1000 Available", "2 1000 Sold", "3 1000 Held"], map.GetProperty("seats").EnumerateArray()
            .Select(seat => $"{seat.GetProperty("number")} {seat.GetProperty("price")} {seat.GetProperty("status")}"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task GetSeats_WhileSeatsChange_IsAlwaysOneMoment(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddDateAsync(seats: 4);
        using var client = seats.Service.ClientOf("mina");
        // Held together and released together: whoever sees an odd number, or two maps of one version, saw two moments.
        var changes = Task.Run(async () =>
        {
            for (var i = 0; i < 40; i++)
            {
                var hold = Hold(scheduleId, 1, 4);
                await seats.AskAsync(hold);
                await seats.ReleaseAsync(hold.ReservationId);
            }
        });

        var reads = 0;
        do
        {
            var map = await client.GetFromJsonAsync<JsonElement>($"/api/schedules/{scheduleId}/seats");
            var held = map.GetProperty("seats").EnumerateArray().Count(seat => seat.GetProperty("status").GetString() == "Held");
            Assert.Equal(map.GetProperty("version").GetInt32() % 2 * 2, held);
            reads++;
        }
        while (!changes.IsCompleted);
        await changes;
        Assert.True(reads > 5, $"only {reads} reads");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task SeedDemoData_AskedFor_FillsAnEmptyDatabaseOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server, ("Seats:SeedDemoData", "true"));
        await seats.Service.WithAsync<SeatsDbContext, int>(database => database.Concerts.ExecuteDeleteAsync());

        for (var i = 0; i < 2; i++)
            await seats.Service.WithAsync<IServiceProvider, bool>(async services =>
            {
                await SeatsService.SeedDemoDataAsync(services, CancellationToken.None);
                return true;
            });

        var (concerts, schedules, seatCount) = await seats.Service.WithAsync<SeatsDbContext, (int, int, int)>(async database =>
            (await database.Concerts.CountAsync(), await database.Schedules.CountAsync(), await database.Seats.CountAsync()));
        Assert.Equal((3, 90, 4_500), (concerts, schedules, seatCount));
        var date = await seats.AssertConsistentAsync(1);
        Assert.Equal(new DateTimeOffset(2026, 6, 3, 19, 0, 0, TimeSpan.Zero), date.StartsAt);
        Assert.Equal([150_000, 130_000, 110_000, 90_000, 70_000], date.Seats.OrderBy(seat => seat.Number).Chunk(10).Select(row => row.Average(seat => seat.Price)).Select(price => (long)price));
        Assert.IsType<Contracts.Seats.SeatsHeld>(await seats.AskAsync(Hold(90, 50)));
    }
}
