using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Endpoints;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.QueueUnderTest;

namespace ConcertSaga.Queue.Tests;

public sealed class OperatorTests(PostgreSqlServer server)
{
    private const string Route = "/ops/api/queue/concerts";

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Pause_AndResume_HoldTheLineAndKeepIt(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        for (var i = 0; i < 5; i++)
            await queue.EnterAsync($"user-{i}");
        await queue.TickAsync();

        Assert.Equal(QueueAdmission.Paused, (await PutAsync(queue, new { paused = true })).Admission);
        queue.Clock.Advance(TimeSpan.FromSeconds(5));
        await queue.TickAsync();
        var paused = await GetAsync(queue);
        Assert.Equal((2L, 3L, 2L, 5L), (paused.Serving, paused.Waiting, paused.Offered, paused.Issued));
        Assert.Null((await queue.EnterAsync("user-4", expected: HttpStatusCode.OK)).EstimatedWaitSeconds);

        await PutAsync(queue, new { paused = false });
        await queue.TickAsync();
        Assert.Equal((3L, 3L), ((await GetAsync(queue)).Serving, (await GetAsync(queue)).SlotsTaken));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Settings_OfOneConcert_HoldFromTheNextAdmissionOn(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        for (var i = 0; i < 9; i++)
            await queue.EnterAsync($"user-{i}");
        var token = await queue.EnterAsync("user-0", expected: HttpStatusCode.OK);
        await queue.TickAsync();

        var room = await PutAsync(queue, new { capacity = 7, batchSize = 4, interval = "00:00:01", claimWindow = "00:00:30", passLifetime = "00:01:00" });
        Assert.Equal(new RoomChange(7, 4, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(1)), room.Settings);
        Assert.Equal(room.Settings, room.Effective);
        queue.Clock.Advance(TimeSpan.FromSeconds(1));
        await queue.TickAsync();
        Assert.Equal(6, (await queue.RoomAsync()).Serving);
        Assert.Equal([Now.AddSeconds(60), queue.Clock.GetUtcNow().AddSeconds(30)], (await queue.RowsAsync()).Select(row => row.ClaimUntil).OfType<DateTimeOffset>().Distinct());
        Assert.Equal(queue.Clock.GetUtcNow().AddMinutes(1), (await queue.ClaimAsync("user-0", token)).ExpiresAt);

        // Smaller than what is taken: nobody is sent away, nobody let in. Null is the configured value again.
        room = await PutAsync(queue, new { capacity = 2 });
        Assert.Equal((new RoomChange(2, null, null, null, null), 2, 6L), (room.Settings, room.Effective.BatchSize, room.SlotsTaken));
        queue.Clock.Advance(TimeSpan.FromSeconds(5));
        await queue.TickAsync();
        Assert.Equal(6, (await queue.RoomAsync()).Serving);
        Assert.Equal(3, (await GetAsync(queue, 2)).Effective.Capacity);
    }

    [Theory]
    [InlineData("""{"capacity":0}""", "capacity")]
    [InlineData("""{"batchSize":10001}""", "batchSize")]
    [InlineData("""{"interval":"00:00:00"}""", "interval")]
    [InlineData("""{"claimWindow":"02:00:00"}""", "claimWindow")]
    [InlineData("""{"passLifetime":"05:00:00"}""", "passLifetime")]
    public async Task Settings_OutOfRange_AreRefused(string body, string field)
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);

        using var answer = await queue.SendAsync(HttpMethod.Put, $"{Route}/1", "olga", body: JsonSerializer.Deserialize<JsonElement>(body), roles: "ops");
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();

        Assert.Equal((422, "INVALID_SETTINGS"), ((int)answer.StatusCode, problem.GetProperty("code").GetString()));
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _));
    }

    [Theory]
    [InlineData("GET", "", null, 403, "FORBIDDEN")]
    [InlineData("GET", "/1", "opsy,op", 403, "FORBIDDEN")]
    [InlineData("PUT", "/1", "customer", 403, "FORBIDDEN")]
    [InlineData("GET", "/99", "ops", 404, "CONCERT_NOT_FOUND")]
    [InlineData("PUT", "/99", "customer,ops", 404, "CONCERT_NOT_FOUND")]
    public async Task Routes_WithoutTheRoleOrConcert_AreRefused(string method, string route, string? roles, int status, string code)
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        await RefusedAsync(await queue.SendAsync(new HttpMethod(method), Route + route, "olga", body: method == "PUT" ? new { } : null, roles: roles), status, code);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task List_PageByPage_GivesEachOnce(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        await queue.EnterAsync("mina", 2);

        using var first = await queue.SendAsync(HttpMethod.Get, $"{Route}?limit=1", "olga", roles: "ops");
        var page = (await first.Content.ReadFromJsonAsync<Page<RoomView>>())!;
        using var second = await queue.SendAsync(HttpMethod.Get, $"{Route}?limit=1&cursor={page.NextCursor}", "olga", roles: "ops");
        var last = (await second.Content.ReadFromJsonAsync<Page<RoomView>>())!;

        Assert.Equal([1, 2], page.Items.Concat(last.Items).Select(room => room.ConcertId));
        Assert.Equal((1L, null), (last.Items[0].Waiting, last.NextCursor));
    }

    private static async Task<RoomView> GetAsync(QueueUnderTest queue, int concertId = 1)
    {
        using var answer = await queue.SendAsync(HttpMethod.Get, $"{Route}/{concertId}", "olga", roles: "ops");
        return (await answer.Content.ReadFromJsonAsync<RoomView>())!;
    }

    private static async Task<RoomView> PutAsync(QueueUnderTest queue, object change)
    {
        using var answer = await queue.SendAsync(HttpMethod.Put, $"{Route}/1", "olga", body: change, roles: "ops");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<RoomView>())!;
    }
}
