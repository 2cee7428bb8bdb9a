using System.Text.Json;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.Operations.Tests.Actions;

public sealed class ActionEndpointsTests(PostgreSqlServer server)
{
    private static readonly DateTimeOffset Start = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>Many actions have the same instant, and the stub orders their ids as another server would.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Pages_OfAllOwners_ShowEachActionOnce(DatabaseProvider provider)
    {
        await using var owners = await OwnersStub.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, owners.Settings);
        var expected = await FillAsync(owners, operations);

        foreach (var limit in new[] { 1, 2, 3, 7, 50 })
        {
            var seen = new List<JsonElement>();
            string? cursor = null;
            do
            {
                var (status, page) = await operations.CallAsync(HttpMethod.Get,
                    $"actions?limit={limit}{(cursor is null ? "" : $"&cursor={cursor}")}");
                Assert.Equal((200, 0), (status, page.GetProperty("missing").GetArrayLength()));
                seen.AddRange(page.GetProperty("items").EnumerateArray());
                cursor = page.GetProperty("nextCursor").GetString();
            }
            while (cursor is not null && seen.Count <= expected.Count);
            Assert.Equal(expected.Order(), seen.Select(row => row.GetProperty("actionId").GetGuid()).Order());
            var instants = seen.ConvertAll(row => row.GetProperty("at").GetDateTimeOffset());
            Assert.Equal(instants.OrderDescending(), instants);
        }
        var (_, all) = await operations.CallAsync(HttpMethod.Get, "actions?limit=200");
        Assert.Equal(["DataPlatform", "Operations", "Orchestrator", "Queue"], all.GetProperty("items").EnumerateArray()
            .Select(row => row.GetProperty("owner").GetString()).Distinct().Order());
    }

    [Fact]
    public async Task Page_WithoutAnOwner_NamesIt()
    {
        await using var owners = await OwnersStub.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);
        var expected = await FillAsync(owners, operations);
        owners.Away["/internal/operator-actions/queue"] = true;

        var (status, first) = await operations.CallAsync(HttpMethod.Get, "actions?limit=10");
        owners.Away.Clear();
        var (_, second) = await operations.CallAsync(HttpMethod.Get, $"actions?limit=50&cursor={first.GetProperty("nextCursor")}");

        Assert.Equal(200, status);
        Assert.Equal(["Queue"], first.GetProperty("missing").EnumerateArray().Select(owner => owner.GetString()));
        Assert.DoesNotContain("Queue", first.GetProperty("items").EnumerateArray().Select(row => row.GetProperty("owner").GetString()));
        // It is there again, and its actions of the first page stay missing: the list goes on from newer to older ones.
        var end = first.GetProperty("items").EnumerateArray().Last().GetProperty("at").GetDateTimeOffset();
        Assert.Equal(0, second.GetProperty("missing").GetArrayLength());
        Assert.All(second.GetProperty("items").EnumerateArray(), row => Assert.True(row.GetProperty("at").GetDateTimeOffset() <= end));
        Assert.Contains("Queue", second.GetProperty("items").EnumerateArray().Select(row => row.GetProperty("owner").GetString()));
        Assert.True(first.GetProperty("items").GetArrayLength() + second.GetProperty("items").GetArrayLength() < expected.Count);
    }

    [Fact]
    public async Task Filter_OfTheList_ReachesEachOwner()
    {
        await using var owners = await OwnersStub.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);
        await FillAsync(owners, operations);

        var (_, page) = await operations.CallAsync(HttpMethod.Get, "actions?operator=otto%26limit=1&action=Test&target=x%2F1&limit=200");

        Assert.Equal(["DataPlatform", "Operations", "Orchestrator", "Queue"],
            page.GetProperty("items").EnumerateArray().Select(row => row.GetProperty("owner").GetString()).Order());
        Assert.All(page.GetProperty("items").EnumerateArray(),
            row => Assert.Equal("otto&limit=1", row.GetProperty("operator").GetString()));
    }

    [Theory]
    [InlineData("actions", null, 403, "FORBIDDEN")]
    [InlineData("actions?limit=0", "ops", 400, "BAD_REQUEST")]
    [InlineData("actions?limit=201", "ops", 400, "BAD_REQUEST")]
    [InlineData("actions?cursor=x", "ops", 400, "BAD_REQUEST")]
    // The cursor of a list with another number of owners.
    [InlineData("actions?cursor=NjM5MTI0MDAwMDAwMDAwMDAwOjAxYTIwOGRmLTgwMzAtNzg1ZC1hMmM0LTU0N2IwZTEzOTJmMw", "ops", 400, "BAD_REQUEST")]
    [InlineData("actions?operator=a%00b", "ops", 400, "BAD_REQUEST")]
    public async Task Request_ThatIsInvalid_IsRefused(string route, string? roles, int status, string code)
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);

        var answer = await operations.CallAsync(HttpMethod.Get, route, roles: roles);

        Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetString()));
    }

    private static async Task<List<Guid>> FillAsync(OwnersStub owners, OperationsUnderTest operations)
    {
        var ids = new List<Guid>();
        foreach (var owner in new[] { "orchestrator", "queue", "dataplatform" })
            owners.Actions[owner] = [.. Enumerable.Range(0, 9).Select(number => OperatorActionView.Of(Row(number)))];
        await operations.ReadAsync(database =>
        {
            database.OperatorActions.AddRange(Enumerable.Range(0, 9).Select(Row));
            return database.SaveChangesAsync();
        });
        return ids;

        OperatorAction Row(int number)
        {
            ids.Add(Guid.CreateVersion7());
            return new OperatorAction
            {
                ActionId = ids[^1],
                At = Start.AddSeconds(number / 3),
                Operator = number == 4 ? "otto&limit=1" : "olga",
                Action = "Test",
                Target = "x/1",
                Reason = "Why not.",
                Before = """{"a":1}"""
            };
        }
    }
}
