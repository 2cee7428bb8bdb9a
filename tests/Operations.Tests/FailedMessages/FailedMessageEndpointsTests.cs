using System.Data.Common;
using System.Text;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Xunit;

namespace ConcertSaga.Operations.Tests.FailedMessages;

public sealed class FailedMessageEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>A newer version sends a message that this one does not know.</summary>
    [Fact]
    public async Task Message_WithoutAHandler_IsStoredAsSkipped()
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        await operations.WithBusAsync(async bus =>
        {
            var endpoint = await bus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.DeductPoints));
            await endpoint.Send(new RefundPoints(Guid.CreateVersion7(), 1, "mina"));
            return true;
        });
        await operations.StoredAsync(1);

        var (_, list) = await operations.CallAsync(HttpMethod.Get, "failed-messages?kind=Skipped");
        var row = Assert.Single(list.GetProperty("items").EnumerateArray());
        Assert.Equal((CommandQueues.DeductPoints, "Skipped", "ConcertSaga.Contracts.Points.RefundPoints"),
            (Text(row, "queue"), Text(row, "kind"), Text(row, "messageType")));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Message_ThatFailedInItsHandler_IsShownAndRequeuedOnce(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        operations.Handled.Fails = true;
        var id = Guid.CreateVersion7();
        await operations.WithBusAsync(async bus =>
        {
            var endpoint = await bus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.DeductPoints));
            await endpoint.Send(FailedMessageSender.Deduction(), MassTransit.Pipe.Execute<MassTransit.SendContext>(context =>
            {
                context.MessageId = id;
                context.Headers.Set("Tenant", "one");
            }));
            return true;
        });
        await operations.StoredAsync(1);

        var (_, list) = await operations.CallAsync(HttpMethod.Get, "failed-messages");
        var row = Assert.Single(list.GetProperty("items").EnumerateArray());
        Assert.Equal((CommandQueues.DeductPoints, "Error", id.ToString(), "ConcertSaga.Contracts.Points.DeductPoints", "Waiting"),
            (Text(row, "queue"), Text(row, "kind"), Text(row, "messageId"), Text(row, "messageType"), Text(row, "status")));
        Assert.Equal(("System.InvalidOperationException", "The consumer of the test fails."),
            (Text(row, "exceptionType"), Text(row, "exceptionMessage")));
        var number = row.GetProperty("failedMessageId").GetInt64();
        var (_, details) = await operations.CallAsync(HttpMethod.Get, $"failed-messages/{number}");
        Assert.Contains("\"mina\"", Text(details, "body"), StringComparison.Ordinal);
        Assert.Contains(nameof(OperationsUnderTest.Consumer), Text(details, "stackTrace"), StringComparison.Ordinal);

        operations.Handled.Fails = false;
        var operation = await operations.ActAsync("requeue", new { ids = new[] { number }, reason = "Repaired." });
        Assert.Equal(("Completed", 1, 1), (Text(operation, "status"), Int(operation, "matched"), Int(operation, "succeeded")));
        await Eventually.TrueAsync(() => operations.Handled.Messages.Count == 1, OperationsUnderTest.Limit, "it is handled");
        var handled = Assert.Single(operations.Handled.Messages);
        Assert.Equal((id, "one", "1"), (handled.Id, handled.Headers["Tenant"], $"{handled.Headers["Requeue-Count"]}"));
        Assert.DoesNotContain(handled.Headers.Keys, key => key.StartsWith("MT-Fault", StringComparison.Ordinal) || key == "MT-Reason");

        var action = Assert.Single(await operations.ActionsAsync());
        Assert.Equal(("olga", "Requeue", $"failed-messages/{number}", "Repaired."),
            (action.Operator, action.Action, action.Target, action.Reason));
        Assert.Equal(("""{"status":"Waiting"}""", """{"status":"Requeued"}"""), (action.Before, action.After));
        Assert.Empty((await operations.CallAsync(HttpMethod.Get, "failed-messages")).Body.GetProperty("items").EnumerateArray());
    }

    [Fact]
    public async Task Message_ThatFailsAfterItsRequeue_IsAFurtherMessage()
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        var id = (await operations.FailAsync(1))[0];
        operations.Handled.Fails = true;

        await operations.ActAsync("requeue", new { ids = new[] { 1 }, reason = "Again." });
        await operations.StoredAsync(2);

        var rows = await operations.ReadAsync(database => database.FailedMessages.OrderBy(row => row.FailedMessageId).ToListAsync());
        Assert.Equal([FailedMessageStatus.Requeued, FailedMessageStatus.Waiting], rows.ConvertAll(row => row.Status));
        Assert.All(rows, row => Assert.Equal(id.ToString(), row.MessageId));
        operations.Handled.Fails = false;
        await operations.ActAsync("requeue", new { ids = new[] { 2 }, reason = "Once more." });
        await Eventually.TrueAsync(() => operations.Handled.Messages.Count == 1, OperationsUnderTest.Limit, "it is handled");
        Assert.Equal(id, Assert.Single(operations.Handled.Ids));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task List_WithFilters_PagesNewestFirst(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        await operations.FailAsync(3);
        await operations.FailAsync(2, "System.TimeoutException");

        Assert.Equal([5, 4, 3, 2, 1], await IdsAsync(operations, ""));
        Assert.Equal([5, 4], await IdsAsync(operations, "?exception=System.TimeoutException"));
        Assert.Equal([], await IdsAsync(operations, "?queue=seats-hold"));
        Assert.Equal([], await IdsAsync(operations, "?kind=Dead"));
        Assert.Equal([], await IdsAsync(operations, "?status=Requeued"));
        Assert.Equal(5, (await IdsAsync(operations, "?queue=points-deduct&messageType=ConcertSaga.Contracts.Points.DeductPoints")).Count);
        var (_, first) = await operations.CallAsync(HttpMethod.Get, "failed-messages?limit=2");
        Assert.Equal([3, 2, 1], await IdsAsync(operations, $"?cursor={Text(first, "nextCursor")}"));
        Assert.Equal(400, (await operations.CallAsync(HttpMethod.Get, "failed-messages?limit=201")).Status);

        var (_, groups) = await operations.CallAsync(HttpMethod.Get, "failed-messages/groups");
        Assert.Equal([("System.InvalidOperationException", 3), ("System.TimeoutException", 2)],
            groups.GetProperty("items").EnumerateArray().Select(group => (Text(group, "exceptionType"), Int(group, "count"))));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Selection_OfADryRun_IsActedOnExactlyOnce(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        var ids = await operations.FailAsync(30);

        var (status, dryRun) = await operations.CallAsync(HttpMethod.Post, "failed-messages/requeue",
            new { filter = new { queue = "points-deduct" }, dryRun = true });
        Assert.Equal((200, 30, 20), (status, Int(dryRun, "matched"), dryRun.GetProperty("sample").GetArrayLength()));
        Assert.Equal(1, dryRun.GetProperty("sample")[0].GetProperty("failedMessageId").GetInt64());
        // Later messages match the filter too, but the dry run has not counted them.
        await operations.FailAsync(5);
        var selection = dryRun.GetProperty("selection").GetGuid();
        Assert.Empty(operations.Handled.Messages);

        Assert.Equal(404, (await operations.CallAsync(HttpMethod.Post, "failed-messages/discard", new { selection, reason = "x" })).Status);
        var operation = await operations.ActAsync("requeue", new { selection, reason = "All." });
        var again = await operations.ActAsync("requeue", new { selection, reason = "All." });
        Assert.Equal(Text(operation, "operationId"), Text(again, "operationId"));
        await Eventually.TrueAsync(() => operations.Handled.Messages.Count >= 30, OperationsUnderTest.Limit, "all are handled");
        Assert.Equal(ids.Order(), operations.Handled.Ids.Order());
        Assert.Equal(30, (await operations.ActionsAsync()).Count);
        Assert.Equal(5, (await IdsAsync(operations, "")).Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Discard_OfSomeMessages_SkipsThoseThatAreNotWaiting(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        await operations.FailAsync(3);
        await operations.ActAsync("requeue", new { ids = new[] { 2 }, reason = "Good." });

        var operation = await operations.ActAsync("discard", new { ids = new[] { 3, 2, 1, 1, 99 }, reason = "Bad." });

        Assert.Equal((4, 4, 2, 2, 0), (Int(operation, "matched"), Int(operation, "done"), Int(operation, "succeeded"),
            Int(operation, "skipped"), Int(operation, "failed")));
        Assert.Equal([("1", "Succeeded", null), ("2", "Skipped", "The message is Requeued."), ("3", "Succeeded", null),
            ("99", "Skipped", "The message does not exist.")],
            operation.GetProperty("results").EnumerateArray()
                .Select(item => (Text(item, "id"), Text(item, "outcome"), Text(item, "reason"))));
        var requeued = await operations.ActAsync("requeue", new { ids = new[] { 1 }, reason = "After all." });
        Assert.Equal((0, 1), (Int(requeued, "succeeded"), Int(requeued, "skipped")));
        Assert.Equal([3, 1], await IdsAsync(operations, "?status=Discarded"));
        Assert.Equal(["Discard", "Requeue", "Discard"], (await operations.ActionsAsync()).ConvertAll(action => action.Action));
    }

    /// <summary>If the record of a change cannot be written, the change has not happened either, and the operation repeats both.</summary>
    [Theory]
    [InlineData("requeue", DatabaseProvider.Sqlite)]
    [InlineData("requeue", DatabaseProvider.PostgreSql)]
    [InlineData("discard", DatabaseProvider.Sqlite)]
    [InlineData("discard", DatabaseProvider.PostgreSql)]
    public async Task Change_WhoseRecordFails_IsRepeatedWithIt(string action, DatabaseProvider provider)
    {
        var refusal = new RecordRefusal();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, refusal);
        await operations.FailAsync(3);

        refusal.IsNext = true;
        var operation = await operations.ActAsync(action, new { ids = new[] { 1, 2, 3 }, reason = "All." });

        Assert.False(refusal.IsNext);
        Assert.Equal(("Completed", 3), (Text(operation, "status"), Int(operation, "succeeded")));
        Assert.Equal(["failed-messages/1", "failed-messages/2", "failed-messages/3"],
            (await operations.ActionsAsync()).ConvertAll(row => row.Target));
        Assert.Equal([3, 2, 1], await IdsAsync(operations, action == "requeue" ? "?status=Requeued" : "?status=Discarded"));
    }

    [Theory]
    [InlineData("""{"ids":[1]}""", "reason", "INVALID_REASON")]
    [InlineData("""{"ids":[1],"reason":" "}""", "reason", "INVALID_REASON")]
    [InlineData("""{"reason":"x"}""", "selection", "INVALID_SELECTION")]
    [InlineData("""{"dryRun":true}""", "selection", "INVALID_SELECTION")]
    [InlineData("""{"ids":[1],"filter":{},"dryRun":true}""", "selection", "INVALID_SELECTION")]
    [InlineData("""{"ids":[],"reason":"x"}""", "ids", "INVALID_SELECTION")]
    [InlineData("""{"filter":{},"reason":"x"}""", "filter", "INVALID_SELECTION")]
    [InlineData("""{"filter":{},"limit":0,"dryRun":true}""", "limit", "INVALID_SELECTION")]
    [InlineData("""{"filter":{},"limit":10001,"dryRun":true}""", "limit", "INVALID_SELECTION")]
    [InlineData("""{"selection":"0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d","dryRun":true}""", "selection", "INVALID_SELECTION")]
    [InlineData("""{"filter":{"queu":"x"},"dryRun":true}""", "filter.queu", "UNKNOWN_MEMBER")]
    [InlineData("""{"filter":{"kind":"Lost"},"dryRun":true}""", "filter.kind", "BAD_REQUEST")]
    public async Task Request_Contradictory_IsRefusedAndChangesNothing(string body, string member, string code)
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);

        foreach (var action in new[] { "requeue", "discard" })
        {
            var (status, problem) = await operations.CallAsync(HttpMethod.Post, $"failed-messages/{action}",
                JsonSerializer.Deserialize<JsonElement>(body));
            Assert.InRange(status, 400, 422);
            Assert.Equal(code, Text(problem, "code"));
            Assert.True(problem.GetProperty("errors").TryGetProperty(member, out _), problem.ToString());
        }
        Assert.Equal(0, await operations.ReadAsync(database => database.Operations.CountAsync()));
    }

    [Fact]
    public async Task Bodies_OfAnyKind_AreStoredShownAndReturnedUnchanged()
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        var large = Encoding.UTF8.GetBytes(
            $"{{\"messageType\":[\"urn:message:Some.Other:Thing\"],\"text\":\"{new string('가', 700_000)}\"}}");
        byte[][] bodies =
        [
            [], "not json"u8.ToArray(), "{\"messageType\":"u8.ToArray(), "{\"messageType\":[5]}"u8.ToArray(), [0xFF, 0x00, 0xFE],
            Encoding.UTF8.GetBytes("{\"messageType\":[\"urn:message:A\\u0000\\u001b[31m\\ud83d\\ude00:B\"]}"), large
        ];
        await operations.WithBusAsync(async bus =>
        {
            foreach (var body in bodies)
                await bus.FailRawAsync(CommandQueues.DeductPoints, body, "application/vnd.masstransit+json");
            return true;
        });
        await operations.StoredAsync(bodies.Length);

        for (var i = 0; i < bodies.Length; i++)
        {
            var (status, details) = await operations.CallAsync(HttpMethod.Get, $"failed-messages/{i + 1}");
            Assert.Equal(200, status);
            var shown = Text(details, "bodyEncoding") == "utf-8" ? Encoding.UTF8.GetBytes(Text(details, "body")!)
                : Convert.FromBase64String(Text(details, "body")!);
            if (bodies[i] == large)
                Assert.True(details.GetProperty("isBodyCut").GetBoolean() && shown.Length < large.Length);
            else
                Assert.Equal(bodies[i], shown);
        }
        var rows = await operations.ReadAsync(database => database.FailedMessages.OrderBy(row => row.FailedMessageId).ToListAsync());
        Assert.Equal(bodies, rows.ConvertAll(row => row.Body));
        Assert.Equal([null, null, null, null, null, "A\\u0000\\u001b[31m😀.B", "Some.Other.Thing"],
            rows.ConvertAll(row => row.MessageType));
        Assert.All(rows, row => Assert.Equal("It does not work. Not at all.", row.ExceptionMessage));

        // The consumer cannot read them either, so they come back as further failures.
        await operations.ActAsync("requeue", new { ids = new[] { 1, 2, 5 }, reason = "Perhaps." });
        await operations.StoredAsync(bodies.Length + 3);
        var returned = await operations.ReadAsync(database => database.FailedMessages.Where(row => row.FailedMessageId > bodies.Length)
            .Select(row => row.Body).ToListAsync());
        Assert.Equal(new[] { bodies[0], bodies[1], bodies[4] }.Select(Convert.ToHexString).Order(),
            returned.Select(Convert.ToHexString).Order());
    }

    private static async Task<List<int>> IdsAsync(OperationsUnderTest operations, string query)
    {
        var (status, list) = await operations.CallAsync(HttpMethod.Get, $"failed-messages{query}");
        Assert.True(status == 200, list.ToString());
        return [.. list.GetProperty("items").EnumerateArray().Select(item => Int(item, "failedMessageId"))];
    }

    private static string? Text(JsonElement element, string member) => element.GetProperty(member).GetString();

    private static int Int(JsonElement element, string member) => element.GetProperty(member).GetInt32();

    // Refuses the next record of an action once.
    private sealed class RecordRefusal : DbCommandInterceptor
    {
        public bool IsNext { get; set; }

        public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
            DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
            CancellationToken cancellationToken = default)
        {
            if (!IsNext || !command.CommandText.Contains("INSERT INTO \"OperatorActions\"", StringComparison.Ordinal))
                return ValueTask.FromResult(result);
            IsNext = false;
            throw new TimeoutException("The record of the action is refused.");
        }
    }
}
