using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Bulk;

public sealed class OperationEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task List_OfOperations_HasThoseStartedNewestFirst(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        var now = operations.Clock.GetUtcNow();
        // The second and the third started at the same instant. The fourth is a dry run.
        var started = new DateTimeOffset?[] { now.AddMinutes(-9), now.AddMinutes(-5), now.AddMinutes(-5), null, now.AddMinutes(-1) };
        List<Guid> ids = [.. started.Select(_ => Guid.CreateVersion7(now))];
        await operations.ReadAsync(async database =>
        {
            database.Operations.AddRange(ids.Zip(started, (id, at) => new Operation
            {
                OperationId = id,
                Kind = OperationKind.Discard,
                Status = at is null ? OperationStatus.Selected : OperationStatus.Completed,
                Operator = "olga",
                Reason = at is null ? null : "All.",
                Matched = 2,
                CreatedAt = now,
                StartedAt = at,
                CompletedAt = at
            }));
            return await database.SaveChangesAsync();
        });

        var seen = new List<Guid>();
        string? cursor = null;
        do
        {
            var (status, page) = await operations.CallAsync(HttpMethod.Get,
                $"operations?limit=1{(cursor is null ? "" : $"&cursor={cursor}")}");
            Assert.Equal(200, status);
            var row = Assert.Single(page.GetProperty("items").EnumerateArray());
            Assert.Equal(("Discard", "Completed", "olga", "All.", 2), (row.GetProperty("kind").GetString(),
                row.GetProperty("status").GetString(), row.GetProperty("operator").GetString(), row.GetProperty("reason").GetString(),
                row.GetProperty("matched").GetInt32()));
            seen.Add(row.GetProperty("operationId").GetGuid());
            cursor = page.GetProperty("nextCursor").GetString();
        }
        while (cursor is not null && seen.Count < 9);

        Assert.Equal((ids[4], ids[0], 4), (seen[0], seen[^1], seen.Distinct().Count()));
        Assert.Equal(seen.Count, seen.Distinct().Count());
        Assert.DoesNotContain(ids[3], seen);
        Assert.Equal(403, (await operations.CallAsync(HttpMethod.Get, "operations", roles: "customer")).Status);
        Assert.Equal(400, (await operations.CallAsync(HttpMethod.Get, "operations?limit=201")).Status);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Stop_BeforeItsEnd_LeavesTheRestUnchanged(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        await operations.FailAsync(3);
        // Another replica has the operation, has claimed the first message, and has died.
        var operationId = Guid.CreateVersion7();
        await operations.ReadAsync(async database =>
        {
            database.Operations.Add(new Operation
            {
                OperationId = operationId,
                Kind = OperationKind.Requeue,
                Status = OperationStatus.Running,
                Operator = "olga",
                Reason = "All.",
                Matched = 3,
                CreatedAt = operations.Clock.GetUtcNow(),
                StartedAt = operations.Clock.GetUtcNow(),
                LeaseId = Guid.CreateVersion7(),
                LeasedUntil = operations.Clock.GetUtcNow().AddMinutes(1)
            });
            database.OperationItems.AddRange(Enumerable.Range(1, 3).Select(number =>
                new OperationItem { OperationId = operationId, Number = number, FailedMessageId = number }));
            await database.SaveChangesAsync();
            return await database.FailedMessages.Where(message => message.FailedMessageId == 1).ExecuteUpdateAsync(set => set
                .SetProperty(message => message.Status, FailedMessageStatus.Requeuing)
                .SetProperty(message => message.OperationId, operationId));
        });

        Assert.Equal(422, (await operations.CallAsync(HttpMethod.Delete, $"operations/{operationId}")).Status);
        var (status, stopping) = await operations.CallAsync(HttpMethod.Delete, $"operations/{operationId}?reason=Wrong%20ones.");
        Assert.Equal((200, "Running"), (status, stopping.GetProperty("status").GetString()));
        Assert.Equal(200, (await operations.CallAsync(HttpMethod.Delete, $"operations/{operationId}?reason=Twice.")).Status);
        operations.Clock.Advance(TimeSpan.FromMinutes(2));

        var ended = await operations.EndedAsync(operationId);
        Assert.Equal(("Cancelled", 1, 1), (ended.GetProperty("status").GetString(), ended.GetProperty("done").GetInt32(),
            ended.GetProperty("succeeded").GetInt32()));
        Assert.Equal([FailedMessageStatus.Requeued, FailedMessageStatus.Waiting, FailedMessageStatus.Waiting],
            await operations.ReadAsync(database => database.FailedMessages.OrderBy(row => row.FailedMessageId).Select(row => row.Status)
                .ToListAsync()));
        var stop = Assert.Single(await operations.ActionsAsync(), action => action.Action == "Stop");
        Assert.Equal(($"operations/{operationId}", "Wrong ones."), (stop.Target, stop.Reason));
    }

    /// <summary>A replica whose clock was an hour ahead has died.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Lease_OfAWrongClock_IsTakenOver(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server);
        await operations.FailAsync(1);
        var (operationId, now) = (Guid.CreateVersion7(), operations.Clock.GetUtcNow());
        await operations.ReadAsync(async database =>
        {
            database.Operations.Add(new Operation
            {
                OperationId = operationId,
                Kind = OperationKind.Discard,
                Status = OperationStatus.Running,
                Operator = "olga",
                Reason = "All.",
                Matched = 1,
                CreatedAt = now,
                StartedAt = now,
                LeaseId = Guid.CreateVersion7(),
                LeasedUntil = now.AddHours(1)
            });
            database.OperationItems.Add(new OperationItem { OperationId = operationId, Number = 1, FailedMessageId = 1 });
            return await database.SaveChangesAsync();
        });

        Assert.Equal(1, (await operations.EndedAsync(operationId)).GetProperty("succeeded").GetInt32());
    }

    [Fact]
    public async Task Stop_OfASelection_EndsIt()
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        var (_, dryRun) = await operations.CallAsync(HttpMethod.Post, "failed-messages/discard", new { filter = new { }, dryRun = true });
        var selection = dryRun.GetProperty("selection").GetGuid();

        var (_, stopped) = await operations.CallAsync(HttpMethod.Delete, $"operations/{selection}?reason=No.");

        Assert.Equal("Cancelled", stopped.GetProperty("status").GetString());
        var (status, refused) = await operations.CallAsync(HttpMethod.Post, "failed-messages/discard", new { selection, reason = "Yes." });
        Assert.Equal((404, "OPERATION_NOT_FOUND"), (status, refused.GetProperty("code").GetString()));
        Assert.Equal(404, (await operations.CallAsync(HttpMethod.Get, $"operations/{Guid.CreateVersion7()}")).Status);
        Assert.Equal(404, (await operations.CallAsync(HttpMethod.Delete, $"operations/{Guid.CreateVersion7()}?reason=No.")).Status);
    }

    [Fact]
    public async Task Results_OfManyItems_ArePaged()
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        await operations.FailAsync(250);

        var ended = await operations.ActAsync("discard", new { ids = Enumerable.Range(1, 250), reason = "All." });

        Assert.Equal((250, 200), (ended.GetProperty("succeeded").GetInt32(), ended.GetProperty("results").GetArrayLength()));
        var (_, rest) = await operations.CallAsync(HttpMethod.Get,
            $"operations/{ended.GetProperty("operationId").GetGuid()}?limit=200&cursor={ended.GetProperty("nextCursor").GetString()}");
        Assert.Equal(50, rest.GetProperty("results").GetArrayLength());
    }
}
