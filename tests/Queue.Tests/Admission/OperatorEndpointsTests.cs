using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Admission;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Admission;

public sealed class OperatorEndpointsTests(PostgreSqlServer server)
{
    private const string Route = "/ops/api/waiting-rooms", Reason = "The sale needs it.";

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Pause_ThenResume_StopsAdmissionAndKeepsTheLine(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        for (var i = 0; i < 5; i++)
            await queue.EnterAsync($"user-{i}");
        await queue.TickAsync();

        Assert.Equal(QueueAdmission.Paused, (await PatchAsync(queue, new { paused = true })).Admission);
        queue.Clock.Advance(TimeSpan.FromSeconds(5));
        await queue.TickAsync();
        var paused = await GetAsync(queue);
        Assert.Equal((2L, 3L, 2L, 5L), (paused.Serving, paused.Waiting, paused.Offered, paused.Issued));
        Assert.Null((await queue.EnterAsync("user-4", expected: HttpStatusCode.OK)).EstimatedWaitSeconds);

        await PatchAsync(queue, new { paused = false });
        await queue.TickAsync();
        Assert.Equal((3L, 3L), ((await GetAsync(queue)).Serving, (await GetAsync(queue)).SlotsTaken));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Settings_OfOneConcert_ApplyFromTheNextAdmission(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        for (var i = 0; i < 9; i++)
            await queue.EnterAsync($"user-{i}");
        var token = await queue.EnterAsync("user-0", expected: HttpStatusCode.OK);
        await queue.TickAsync();

        var room = await PatchAsync(queue, new
        {
            capacity = 7,
            batchSize = 4,
            interval = "00:00:01",
            claimWindow = "00:00:30",
            passLifetime = "00:01:00"
        });
        Assert.Equal(new RoomChange(7, 4, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(1)), room.Settings);
        Assert.Equal(room.Settings, room.Effective);
        queue.Clock.Advance(TimeSpan.FromSeconds(1));
        await queue.TickAsync();
        Assert.Equal(6, (await queue.RoomAsync()).Serving);
        Assert.Equal([Now.AddSeconds(60), queue.Clock.GetUtcNow().AddSeconds(30)],
            (await queue.RowsAsync()).Select(row => row.ClaimUntil).OfType<DateTimeOffset>().Distinct());
        Assert.Equal(queue.Clock.GetUtcNow().AddMinutes(1), (await queue.ClaimAsync("user-0", token)).ExpiresAt);

        // A smaller capacity ends no pass and stops admission. Absent members keep their values; null restores the configured one.
        room = await PatchAsync(queue, new { capacity = 2 });
        Assert.Equal((new RoomChange(2, 4, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(1)), 6L),
            (room.Settings, room.SlotsTaken));
        room = await PatchAsync(queue, new
        {
            batchSize = (int?)null,
            interval = (TimeSpan?)null,
            claimWindow = (TimeSpan?)null,
            passLifetime = (TimeSpan?)null,
            paused = (bool?)null
        });
        Assert.Equal((new RoomChange(2, null, null, null, null), 2), (room.Settings, room.Effective.BatchSize));
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

        using var answer = await queue.SendAsync(HttpMethod.Patch, $"{Route}/1", "olga",
            body: WithReason(JsonSerializer.Deserialize<JsonElement>(body)), roles: "ops");
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();

        Assert.Equal((422, "INVALID_SETTINGS"), ((int)answer.StatusCode, problem.GetProperty("code").GetString()));
        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _));
    }

    /// <summary>A patch of one member, with a value or null, changes only that member.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Patch_OfOneMember_ChangesOnlyThatOne(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var values = new Dictionary<string, object>
        {
            ["capacity"] = 9,
            ["batchSize"] = 8,
            ["interval"] = "00:00:07",
            ["claimWindow"] = "00:00:50",
            ["passLifetime"] = "00:11:00",
            ["paused"] = true
        };
        Assert.Equal(typeof(RoomPatch).GetProperties().Select(property => property.Name.ToLowerInvariant()).Order(),
            values.Keys.Append("reason").Select(name => name.ToLowerInvariant()).Order());
        var settings = Members(await PatchAsync(queue, new { }));
        foreach (var (name, value) in values)
            await ExpectAsync(name, value);
        foreach (var name in values.Keys)
            await ExpectAsync(name, null);

        async Task ExpectAsync(string name, object? value)
        {
            settings[name] = JsonSerializer.Serialize(value ?? (name == "paused" ? false : null));
            Assert.Equal(settings, Members(await PatchAsync(queue, new Dictionary<string, object?> { [name] = value })));
        }

        static Dictionary<string, string> Members(RoomView room) =>
            JsonSerializer.SerializeToElement(room.Settings, JsonSerializerOptions.Web).EnumerateObject()
                .ToDictionary(member => member.Name, member => member.Value.GetRawText());
    }

    [Theory]
    [InlineData("""{"pause":true}""", 400)]
    [InlineData("""{"capacity":5,"batch":2}""", 400)]
    [InlineData("""{"capacity":"many"}""", 400)]
    [InlineData("""{"paused":1}""", 400)]
    [InlineData("""{"interval":5}""", 400)]
    [InlineData("""[]""", 400)]
    [InlineData("""{"capacity":5,"interval":"00:00:00.05"}""", 422)]
    [InlineData("""{"capacity":5,"claimWindow":"00:00:02"}""", 422)]
    [InlineData("""{"capacity":5,"claimWindow":"00:04:30"}""", 422)]
    public async Task Patch_ThatIsInvalid_ChangesNothing(string body, int status)
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server, settings: ("Queue:PlaceLifetime", "00:05:00"));

        using var answer = await queue.SendAsync(HttpMethod.Patch, $"{Route}/1", "olga",
            body: WithReason(JsonSerializer.Deserialize<JsonElement>(body)), roles: "ops");

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal((new RoomChange(null, null, null, null, null), 0L),
            ((await GetAsync(queue)).Settings, (await queue.RoomAsync()).Sequence));
    }

    [Theory]
    [InlineData("""{"paused":true}""")]
    [InlineData("""{"paused":true,"reason":null}""")]
    [InlineData("""{"paused":true,"reason":" \u200b "}""")]
    [InlineData("""{"paused":true,"reason":"a\u0000b"}""", "UNPROCESSABLE")]
    public async Task Patch_WithoutAReason_ChangesNothing(string body, string code = "INVALID_REASON")
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);

        await RefusedAsync(await queue.SendAsync(HttpMethod.Patch, $"{Route}/1", "olga",
            body: JsonSerializer.Deserialize<JsonElement>(body), roles: "ops"), 422, code);

        Assert.False((await queue.RoomAsync()).Paused);
        Assert.Empty(await ActionsAsync(queue));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Patch_OfARoom_WritesItsActionInTheSameTransaction(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await PatchAsync(queue, new { capacity = 9 });
        queue.Clock.Advance(TimeSpan.FromSeconds(1));
        await PatchAsync(queue, new { paused = true });

        var actions = await ActionsAsync(queue);

        Assert.Equal(2, actions.Count);
        Assert.All(actions, action => Assert.Equal(("olga", "Change", "waiting-rooms/1", Reason, null),
            (action.Operator, action.Action, action.Target, action.Reason, action.Refusal)));
        Assert.Equal((9, false, true), (actions[0].Before!.Value.GetProperty("capacity").GetInt32(),
            actions[0].Before!.Value.GetProperty("paused").GetBoolean(), actions[0].After!.Value.GetProperty("paused").GetBoolean()));
        Assert.Equal(actions[1].ActionId,
            Assert.Single(await ActionsAsync(queue, $"?limit=1&cursor={await CursorAsync(queue)}")).ActionId);
        Assert.Equal(2, (await ActionsAsync(queue, "?operator=olga&action=Change&target=waiting-rooms/1")).Count);
        Assert.Empty(await ActionsAsync(queue, "?operator=olaf"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Patch_WhoseActionCannotBeStored_ChangesNothing(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.ReadAsync(database => database.Database.ExecuteSqlRawAsync("DROP TABLE \"OperatorActions\""));

        using var answer = await queue.SendAsync(HttpMethod.Patch, $"{Route}/1", "olga", body: new { paused = true, reason = Reason },
            roles: "ops");

        Assert.Equal(500, (int)answer.StatusCode);
        Assert.False((await queue.RoomAsync()).Paused);
    }

    [Fact]
    public async Task Put_IsGone_AndAllowNamesPatch()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);

        using var answer = await queue.SendAsync(HttpMethod.Put, $"{Route}/1", "olga", body: new { paused = true }, roles: "ops");

        Assert.Equal((405, "GET, HEAD, PATCH"), ((int)answer.StatusCode, string.Join(", ", answer.Content.Headers.Allow.Order())));
    }

    [Theory]
    [InlineData("GET", "", null, 403, "FORBIDDEN")]
    [InlineData("GET", "/1", "opsy,op", 403, "FORBIDDEN")]
    [InlineData("PATCH", "/1", "customer", 403, "FORBIDDEN")]
    [InlineData("GET", "/99", "ops", 404, "CONCERT_NOT_FOUND")]
    [InlineData("PATCH", "/99", "customer,ops", 404, "CONCERT_NOT_FOUND")]
    public async Task Routes_WithoutTheRoleOrConcert_AreRefused(string method, string route, string? roles, int status, string code)
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        await RefusedAsync(await queue.SendAsync(new HttpMethod(method), Route + route, "olga",
            body: method == "PATCH" ? new { reason = Reason } : null, roles: roles), status, code);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task List_PageByPage_ReturnsEachRoomOnce(DatabaseProvider provider)
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

    private static async Task<RoomView> PatchAsync(QueueUnderTest queue, object change)
    {
        using var answer = await queue.SendAsync(HttpMethod.Patch, $"{Route}/1", "olga", body: WithReason(change), roles: "ops");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<RoomView>())!;
    }

    private static async Task<IReadOnlyList<OperatorActionView>> ActionsAsync(QueueUnderTest queue, string query = "") =>
        (await ActionPageAsync(queue, query)).Items;

    private static async Task<string?> CursorAsync(QueueUnderTest queue) => (await ActionPageAsync(queue, "?limit=1")).NextCursor;

    private static async Task<Page<OperatorActionView>> ActionPageAsync(QueueUnderTest queue, string query)
    {
        using var answer = await queue.SendAsync(HttpMethod.Get, $"/internal/operator-actions/queue{query}", "operations");
        return (await answer.Content.ReadFromJsonAsync<Page<OperatorActionView>>())!;
    }

    private static JsonNode? WithReason(object change)
    {
        var body = JsonSerializer.SerializeToNode(change);
        if (body is JsonObject members && !members.ContainsKey("reason"))
            members["reason"] = Reason;
        return body;
    }
}
