using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Endpoints;

public sealed class ConcertEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task ListConcerts_PageByPage_GivesEachOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.AddScheduleAsync(startsAt: Now.AddDays(3));
        await seats.AddScheduleAsync(startsAt: Now.AddDays(2));
        using var client = seats.Service.ClientOf("mina");
        client.DefaultRequestHeaders.Remove("X-User-Id");

        var first = await client.GetFromJsonAsync<JsonElement>("/api/concerts?limit=1");
        var concert = first.GetProperty("items").EnumerateArray().Single();
        Assert.Equal(1, concert.GetProperty("concertId").GetInt32());
        Assert.Equal(Now.AddDays(2), concert.GetProperty("firstDate").GetDateTimeOffset());
        Assert.Equal(Now.AddDays(3), concert.GetProperty("lastDate").GetDateTimeOffset());
        Assert.Equal(Now.AddDays(-1), concert.GetProperty("saleOpensAt").GetDateTimeOffset());

        var nextCursor = first.GetProperty("nextCursor").GetString();
        var second = await client.GetFromJsonAsync<JsonElement>($"/api/concerts?limit=1&cursor={nextCursor}");
        Assert.Equal(2, second.GetProperty("items").EnumerateArray().Single().GetProperty("concertId").GetInt32());
        Assert.Equal(JsonValueKind.Null, second.GetProperty("nextCursor").ValueKind);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task ListSchedules_NotStarted_AreListedInOrderPageByPage(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        await seats.AddScheduleAsync(startsAt: Now);
        var last = await seats.AddScheduleAsync(startsAt: Now.AddDays(9));
        // Two schedules start at the same instant, so a cursor of the instant alone would skip or repeat one.
        var twin = await seats.AddScheduleAsync(startsAt: Now.AddDays(1));
        var otherTwin = await seats.AddScheduleAsync(startsAt: Now.AddDays(1));
        await seats.AddScheduleAsync(concertId: 2);
        using var client = seats.Service.ClientOf("mina", passConcertId: 1);

        var found = new List<int>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await client.GetFromJsonAsync<JsonElement>($"/api/concerts/1/schedules?limit=1&cursor={cursor}");
            found.AddRange(page.GetProperty("items").EnumerateArray().Select(schedule => schedule.GetProperty("scheduleId").GetInt32()));
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
    public async Task Read_MissingOrInvalid_IsAProblemWithItsCode(string path, int? passConcertId, int status, string code)
    {
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        await seats.AddScheduleAsync();
        using var client = seats.Service.ClientOf("mina", passConcertId);

        using var response = await client.GetAsync(path);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        var problem = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(code, problem.GetProperty("code").GetString());
    }
}
