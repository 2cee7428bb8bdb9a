using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Owners;

/// <summary>Changes of many reservations and deliveries, against a stand-in for their owners.</summary>
public sealed class OwnerWorkTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Selection_OfManyObjects_ChangesEachOnce(DatabaseProvider provider)
    {
        var count = ManyOn(provider);
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, owner.Settings("Orchestrator"));
        owner.Matching.AddRange(Enumerable.Range(0, count).Select(_ => Guid.CreateVersion7()));
        owner.Unchangeable[owner.Matching[count / 2]] = true;
        // The owner has acted, but Operations does not learn it.
        owner.RepliesToLose = 3;

        var dryRun = await DryRunAsync(operations, "cancel");
        Assert.Equal((count, 20), (Int(dryRun, "matched"), dryRun.GetProperty("sample").GetArrayLength()));
        // Matches that the dry run has not counted.
        owner.Matching.InsertRange(0, [Guid.CreateVersion7(), Guid.CreateVersion7()]);
        var ended = await ActAsync(operations, "cancel",
            new { selection = dryRun.GetProperty("selection").GetGuid(), reason = "The venue is closed." });

        Assert.Equal(("Completed", count, count, count - 1, 1, 0), (ended.GetProperty("status").GetString(), Int(ended, "matched"),
            Int(ended, "done"), Int(ended, "succeeded"), Int(ended, "skipped"), Int(ended, "failed")));
        Assert.Equal(owner.Matching.Skip(2).Where(id => !owner.Unchangeable.ContainsKey(id)).Order(), owner.Changed.Keys.Order());
        Assert.All(owner.Changed.Values, count => Assert.Equal(1, count));
        Assert.Equal(("Cancel", "olga", "The venue is closed."),
            (owner.LastChange!.Action, owner.LastChange.Operator, owner.LastChange.Reason));
        var skipped = await operations.ReadAsync(database => database.OperationItems.SingleAsync(item =>
            item.Outcome == ItemOutcome.Skipped));
        Assert.Equal((owner.Matching[(count / 2) + 2], (count / 2) + 1, "It has ended."),
            (skipped.TargetId!.Value, skipped.Number, skipped.Reason));
    }

    [Fact]
    public async Task Results_OfGivenIds_NameEachWithItsReason()
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator"));
        Guid[] ids = [.. Enumerable.Range(0, 3).Select(_ => Guid.CreateVersion7()).Order()];
        owner.Unchangeable[ids[1]] = true;

        var ended = await ActAsync(operations, "retry", new { ids = new[] { ids[2], ids[0], ids[1], ids[0] }, reason = "Repaired." });

        Assert.Equal([($"{ids[0]}", "Succeeded", null), ($"{ids[1]}", "Skipped", "It has ended."), ($"{ids[2]}", "Succeeded", null)],
            ended.GetProperty("results").EnumerateArray().Select(item => (item.GetProperty("id").GetString(),
                item.GetProperty("outcome").GetString(), item.GetProperty("reason").GetString())));
        Assert.Equal("Retry", ended.GetProperty("kind").GetString());
    }

    /// <summary>A replica that died after it had sent a batch: the next one repeats the batch, and the owner acts once.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Operation_OfAKilledReplica_ContinuesOnce(DatabaseProvider provider)
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, owner.Settings("Orchestrator"));
        var (count, done) = (ManyOn(provider), ManyOn(provider) * 2 / 5);
        var items = await TakeOverAsync(operations, count, done, begun: done + 100);
        foreach (var item in items[..(done + 40)])
        {
            owner.Recorded[ActionIdOf(item)] = new BulkResult(ActionIdOf(item), ItemOutcome.Succeeded, null);
            owner.Changed[item.TargetId!.Value] = 1;
        }

        operations.Clock.Advance(TimeSpan.FromMinutes(2));
        var ended = await operations.EndedAsync(items[0].OperationId);

        Assert.Equal(count, Int(ended, "succeeded"));
        Assert.Equal(items.Select(item => (item.TargetId!.Value, 1)).Order(), owner.Changed.Select(pair => (pair.Key, pair.Value)).Order());
    }

    [Fact]
    public async Task Stop_AfterAKill_FinishesOnlyWhatWasBegun()
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator"));
        var items = await TakeOverAsync(operations, 150, done: 0, begun: 30);

        await operations.CallAsync(HttpMethod.Delete, $"operations/{items[0].OperationId}?reason=Wrong%20ones.");
        operations.Clock.Advance(TimeSpan.FromMinutes(2));
        var ended = await operations.EndedAsync(items[0].OperationId);

        Assert.Equal(("Cancelled", 30, 30), (ended.GetProperty("status").GetString(), Int(ended, "done"), Int(ended, "succeeded")));
        Assert.Equal(items[..30].Select(item => item.TargetId!.Value).Order(), owner.Changed.Keys.Order());
    }

    /// <summary>The saga may need long, for example while the broker is away. The operation waits, and does not resend.</summary>
    [Fact]
    public async Task Change_NotRecordedYet_IsAwaited()
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator"));
        owner.IsSlow = true;
        var id = Guid.CreateVersion7();
        var (_, started) = await PostAsync(operations, "reservations/retry", new { ids = new[] { id }, reason = "Repaired." });
        var operationId = started.GetProperty("operationId").GetGuid();
        await Eventually.TrueAsync(() => owner.LastChange is { Starts: false }, OperationsUnderTest.Limit, "the change is awaited");

        var item = owner.LastChange!.Items.Single();
        Assert.Equal(id, item.Id);
        await Task.Delay(TimeSpan.FromSeconds(2.5));
        Assert.False(owner.LastChange.Starts);
        Assert.Equal("Running", (await operations.CallAsync(HttpMethod.Get, $"operations/{operationId}")).Body.GetProperty("status")
            .GetString());
        owner.Recorded[item.ActionId] = new BulkResult(item.ActionId, ItemOutcome.Succeeded, null);

        Assert.Equal(1, Int(await operations.EndedAsync(operationId), "succeeded"));
    }

    /// <summary>Customers wait behind the changes, so an owner that records none of them gets only a few.</summary>
    [Fact]
    public async Task Changes_OfAnOwnerThatRecordsNone_AreFew()
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator"));
        owner.IsSlow = true;
        Guid[] ids = [.. Enumerable.Range(0, 200).Select(_ => Guid.CreateVersion7()).Order()];

        await PostAsync(operations, "reservations/cancel", new { ids, reason = "The venue is closed." });
        await Eventually.TrueAsync(() => owner.Changes.Count(change => change.Starts) == 3, OperationsUnderTest.Limit, "three were sent");

        Assert.Equal([10, 1, 1], owner.Changes.Where(change => change.Starts).Take(3).Select(change => change.Items.Length));
    }

    /// <summary>The messages of some changes get lost, for example in the error queue. The others go on.</summary>
    [Fact]
    public async Task Changes_ThatAreNeverRecorded_DoNotHoldUpTheOthers()
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator"));
        Guid[] ids = [.. Enumerable.Range(0, 200).Select(_ => Guid.CreateVersion7()).Order()];
        Guid[] lost = [ids[2], ids[12], ids[13], ids[60]];
        Array.ForEach(lost, id => owner.Lost[id] = true);

        var (_, started) = await PostAsync(operations, "reservations/cancel", new { ids, reason = "The venue is closed." });
        await Eventually.TrueAsync(() => owner.Changed.Count == ids.Length - lost.Length, OperationsUnderTest.Limit, "the others");

        Assert.Equal(ids.Except(lost), owner.Changed.Keys.Order());
        var sent = owner.Changes.Where(change => change.Starts).SelectMany(change => change.Items).ToList();
        Assert.Equal(ids, sent.Select(item => item.Id).Order());
        foreach (var item in sent.Where(item => lost.Contains(item.Id)))
            owner.Recorded[item.ActionId] = new BulkResult(item.ActionId, ItemOutcome.Succeeded, null);
        Assert.Equal(ids.Length, Int(await operations.EndedAsync(started.GetProperty("operationId").GetGuid()), "succeeded"));
    }

    /// <summary>The operation would wait for it, and a restart would send it again although an operator discarded it.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Change_WhoseMessageIsDiscarded_HasFailed(DatabaseProvider provider)
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, owner.Settings("Orchestrator"));
        var id = Guid.CreateVersion7();
        owner.Lost[id] = true;
        var (_, started) = await PostAsync(operations, "reservations/cancel", new { ids = new[] { id }, reason = "Fire." });
        await Eventually.TrueAsync(() => owner.LastChange is { Starts: false }, OperationsUnderTest.Limit, "the change is awaited");
        await operations.WithBusAsync(bus => bus.FailAsync(CommandQueues.DeductPoints, FailedMessageSender.Deduction(),
            messageId: owner.LastChange!.Items.Single().ActionId));
        await operations.StoredAsync(1);

        Assert.Equal(1, Int(await operations.ActAsync("discard", new { ids = new[] { 1 }, reason = "Bad." }), "succeeded"));

        var ended = await operations.EndedAsync(started.GetProperty("operationId").GetGuid());
        Assert.Equal(("Completed", 1), (ended.GetProperty("status").GetString(), Int(ended, "failed")));
        Assert.Empty(owner.Changed);
    }

    /// <summary>While an owner is down, its operations wait, and those of other owners go on.</summary>
    [Fact]
    public async Task Owner_ThatIsDown_HoldsUpOnlyItsOwnOperations()
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator", "DataPlatform"));
        owner.IsDown = true;
        await operations.FailAsync(2);
        var (_, waiting) = await PostAsync(operations, "reservations/retry", new { ids = new[] { Guid.CreateVersion7() }, reason = "x" });

        Assert.Equal(2, Int(await operations.ActAsync("discard", new { ids = new[] { 1, 2 }, reason = "Bad." }), "succeeded"));
        var (status, problem) = await PostAsync(operations, "reservations/retry", new { filter = new { }, dryRun = true });
        Assert.Equal((503, "UNAVAILABLE"), (status, problem.GetProperty("code").GetString()));
        owner.IsDown = false;

        Assert.Equal(1, Int(await operations.EndedAsync(waiting.GetProperty("operationId").GetGuid()), "succeeded"));
    }

    /// <summary>An operation that failed once goes on although another one does not end.</summary>
    [Fact]
    public async Task Owner_ThatFailedOnce_IsAskedAgainWhileAnotherOperationRuns()
    {
        await using var failing = await OwnerStandIn.StartAsync();
        await using var slow = await OwnerStandIn.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null,
            [.. failing.Settings("Orchestrator"), .. slow.Settings("DataPlatform")]);
        slow.IsSlow = true;
        await PostAsync(operations, "deliveries/send-again", new { ids = new[] { Guid.CreateVersion7() }, reason = "x" });
        await Eventually.TrueAsync(() => slow.LastChange is { Starts: false }, OperationsUnderTest.Limit, "the other operation runs");
        failing.RepliesToLose = 1;

        var (_, started) = await PostAsync(operations, "reservations/retry", new { ids = new[] { Guid.CreateVersion7() }, reason = "x" });

        Assert.Equal(1, Int(await operations.EndedAsync(started.GetProperty("operationId").GetGuid()), "succeeded"));
    }

    [Theory]
    [InlineData("reservations/retry")]
    [InlineData("reservations/cancel")]
    [InlineData("deliveries/send-again")]
    public async Task Request_Contradictory_IsRefused(string route)
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator", "DataPlatform"));
        foreach (var (body, status, code) in new (string, int, string)[]
        {
            ("""{"filter":{},"reason":"x"}""", 422, "INVALID_SELECTION"), ("""{"reason":"x"}""", 422, "INVALID_SELECTION"),
            ("""{"ids":[],"reason":"x"}""", 422, "INVALID_SELECTION"), ("""{"filter":{},"limit":10001,"dryRun":true}""", 422,
                "INVALID_SELECTION"),
            ("""{"ids":["0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d"]}""", 422, "INVALID_REASON"), ("""{"ids":["x"],"reason":"x"}""", 400,
                "BAD_REQUEST"),
            ("""{"filter":{"colour":"red"},"dryRun":true}""", 400, "UNKNOWN_MEMBER"),
            ("""{"selection":"0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d","reason":"x"}""", 404, "OPERATION_NOT_FOUND")
        })
        {
            var answer = await PostAsync(operations, route, JsonSerializer.Deserialize<JsonElement>(body));
            Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetString()));
        }
        Assert.Equal(403, (await operations.CallAsync(HttpMethod.Post, route, new { filter = new { }, dryRun = true }, "customer")).Status);
        Assert.Equal(0, await operations.ReadAsync(database => database.Operations.CountAsync()));
    }

    [Fact]
    public async Task Filter_ThatTheOwnerRefuses_IsRefusedByItsMember()
    {
        await using var owner = await OwnerStandIn.StartAsync();
        await using var operations =
            await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owner.Settings("Orchestrator"));

        var (status, problem) = await PostAsync(operations, "reservations/cancel",
            new { filter = new { state = "Lost", createdFrom = "2026-12-05T19:30:00+01:00" }, dryRun = true });

        Assert.Equal((400, "Allowed: none."), (status, problem.GetProperty("errors").GetProperty("filter.state")[0].GetString()));
        Assert.Equal("2026-12-05T18:30:00+00:00", owner.LastChoice.GetProperty("filter").GetProperty("createdFrom").GetString());
    }

    // Ten thousand is the limit of a selection, which one database proves. The other one gets enough for several batches.
    private static int ManyOn(DatabaseProvider provider) => provider == DatabaseProvider.Sqlite ? 1_200 : 10_000;

    private static Guid ActionIdOf(OperationItem item) => ConcertSaga.Operations.Owners.OwnerWork.ActionIdOf(item);

    // Another replica has done and begun some items of an operation, and has died.
    private static async Task<List<OperationItem>> TakeOverAsync(OperationsUnderTest operations, int count, int done, int begun)
    {
        var operationId = Guid.CreateVersion7();
        var items = Enumerable.Range(1, count).Select(number => new OperationItem
        {
            OperationId = operationId,
            Number = number,
            TargetId = Guid.CreateVersion7(),
            IsBegun = number <= begun,
            Outcome = number <= done ? ItemOutcome.Succeeded : null
        }).ToList();
        await operations.ReadAsync(async database =>
        {
            var now = operations.Clock.GetUtcNow();
            database.Operations.Add(new Operation
            {
                OperationId = operationId,
                Kind = OperationKind.Retry,
                Status = OperationStatus.Running,
                Operator = "olga",
                Reason = "All.",
                Matched = count,
                CreatedAt = now,
                StartedAt = now,
                LeaseId = Guid.CreateVersion7(),
                LeasedUntil = now.AddMinutes(1)
            });
            database.OperationItems.AddRange(items);
            return await database.SaveChangesAsync();
        });
        return items;
    }

    private static async Task<JsonElement> DryRunAsync(OperationsUnderTest operations, string action)
    {
        var (status, body) = await PostAsync(operations, $"reservations/{action}", new { filter = new { scheduleId = 7 }, dryRun = true });
        Assert.True(status == 200, $"{status} {body}");
        return body;
    }

    private static async Task<JsonElement> ActAsync(OperationsUnderTest operations, string action, object body)
    {
        var (status, started) = await PostAsync(operations, $"reservations/{action}", body);
        Assert.True(status == 202, $"{status} {started}");
        return await operations.EndedAsync(started.GetProperty("operationId").GetGuid());
    }

    private static Task<(int Status, JsonElement Body)> PostAsync(OperationsUnderTest operations, string route, object body) =>
        operations.CallAsync(HttpMethod.Post, route, body);

    private static int Int(JsonElement element, string member) => element.GetProperty(member).GetInt32();
}
