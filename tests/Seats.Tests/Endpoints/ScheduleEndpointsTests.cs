using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Endpoints;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Endpoints;

public sealed class ScheduleEndpointsTests(PostgreSqlServer server)
{
    private static readonly JsonSerializerOptions Names =
        new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task GetSeats_AfterAHold_ShowsItUnderANewTag(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 3);
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
    public async Task GetSeats_OfEverySize_IsTheDocumentedMap(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        using var client = seats.Service.ClientOf("mina");

        // No seat, one seat, and more seats than fit into one buffer.
        foreach (var count in new[] { 0, 1, 3_000 })
        {
            var scheduleId = await seats.AddScheduleAsync(seats: count);
            using var response = await client.GetAsync($"/api/schedules/{scheduleId}/seats");
            Assert.Equal("application/json; charset=utf-8", response.Content.Headers.ContentType!.ToString());
            Assert.Equal("\"0\"", response.Headers.ETag!.Tag);
            var expected = new SeatMap(scheduleId, 0,
                [.. Enumerable.Range(1, count).Select(number => new SeatView(number, 1_000, SeatStatus.Available))], Now.AddDays(30),
                Cancelled: false);
            Assert.Equal(JsonSerializer.Serialize(expected, Names), await response.Content.ReadAsStringAsync());
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task GetSeats_WhileSeatsChange_IsAlwaysOneMoment(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 4);
        using var client = seats.Service.ClientOf("mina");
        // Two seats are held and released together. A map with one held seat would mix two moments.
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
}
