using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Data;

/// <summary>The lists and the background work use indexes, however many messages were requeued.</summary>
public sealed class QueryPlanTests(PostgreSqlServer server)
{
    private const int Rows = 20_000, ItemsOfOperation = 100;

    private static readonly string[] Large = ["FailedMessages", "OperationItems", "OperatorActions"];

    // Most of these filters match nothing among many rows.
    private static readonly (string Query, string Index)[] Lists =
    [
        ("failed-messages", "IX_FailedMessages_Status_Kind_FailedMessageId"),
        ($"failed-messages?cursor={Paging.Write(17L)}", "IX_FailedMessages_Status_Kind_FailedMessageId"),
        ("failed-messages?kind=Dead", "IX_FailedMessages_Status_Kind_FailedMessageId"),
        ("failed-messages?status=Discarded", "IX_FailedMessages_Status_Kind_FailedMessageId"),
        ("failed-messages?queue=seats-hold", "IX_FailedMessages_OfQueue"),
        ("failed-messages?messageType=unknown", "IX_FailedMessages_OfType"),
        ("failed-messages?exception=unknown", "IX_FailedMessages_OfException"),
        ("failed-messages?status=Requeued&exception=unknown", "IX_FailedMessages_OfException"),
        ("actions?operator=unknown", "IX_OperatorActions_Operator_At_ActionId|IX_OperatorActions_Operator_Action_At_ActionId"),
        ("actions?action=unknown", "IX_OperatorActions_Action_At_ActionId")
    ];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Statements_OnLargeTables_UseTheirIndexes(DatabaseProvider provider)
    {
        var sent = new SentStatements();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, sent);
        await operations.ReadAsync(FillAsync);

        foreach (var (query, index) in Lists)
            await ExpectAsync(() => operations.CallAsync(HttpMethod.Get, query), index);
        await ExpectAsync(() => operations.CallAsync(HttpMethod.Post, "failed-messages/discard",
            new { filter = new { exception = "unknown" }, dryRun = true }), "IX_FailedMessages_OfException");
        await ExpectAsync(() => operations.CallAsync(HttpMethod.Get, "failed-messages/17"));
        await ExpectAsync(() => operations.ActAsync("requeue", new { ids = new[] { 1 }, reason = "x" }));
        await ExpectAsync(() => operations.WithAsync<OperationsCleaner, bool>(async cleaner =>
        {
            await cleaner.RunOnceAsync(CancellationToken.None);
            return true;
        }), "IX_FailedMessages_CompletedAt");

        async Task ExpectAsync<T>(Func<Task<T>> ask, params string[] indexes)
        {
            sent.Clear();
            await ask();
            var statements = sent.All.ToList();
            var (used, plans) = (new List<string>(), new List<string>());
            await operations.ReadAsync(async database =>
            {
                await database.Database.OpenConnectionAsync();
                // An insert has no plan worth checking, and an empty list of ids matches nothing. The counter of the metrics, which may
                // run meanwhile, reads all that wait.
                foreach (var statement in statements.Where(sql => !sql.Text.Contains("INSERT", StringComparison.Ordinal)
                    && !sql.Text.Contains("WHERE 0", StringComparison.Ordinal)
                    && !sql.Text.Contains("\"Kind\", count(*)", StringComparison.OrdinalIgnoreCase)))
                {
                    var plan = await QueryPlans.OfAsync(database.Database.GetDbConnection(), statement);
                    used.AddRange(plan.Indexes);
                    plans.Add($"{statement.Text}\n{plan.Text}");
                    Assert.False(plan.Scans.Any(scan => Large.Any(table => scan == table
                        || statement.Text.Contains($"\"{table}\" AS \"{scan}\"", StringComparison.Ordinal))),
                        $"{statement.Text}\n{plan.Text}");
                }
                return true;
            });
            Assert.All(indexes, index => Assert.True(index.Split('|').Intersect(used).Any(), $"{index}\n{string.Join('\n', plans)}"));
        }
    }

    // One message in four waits, and one in a thousand is of another queue.
    private static async Task<bool> FillAsync(OperationsDbContext database)
    {
        var now = TimeProvider.System.GetUtcNow();
        database.ChangeTracker.AutoDetectChangesEnabled = false;
        database.AddRange(Enumerable.Range(1, Rows).Select(number => new FailedMessage
        {
            Queue = number % 1_000 == 1 ? "seats-hold" : "points-deduct",
            Kind = FailureKind.Error,
            MessageId = $"{number}",
            MessageType = "A",
            ExceptionType = "B",
            Fingerprint = $"{number}",
            ReceivedAt = now,
            Status = number % 4 == 1 ? FailedMessageStatus.Waiting : FailedMessageStatus.Requeued,
            CompletedAt = number % 4 == 1 ? null : now,
            Size = 1_000,
            Headers = "{}",
            Body = new byte[1_000]
        }));
        List<Guid> operationIds = [.. Enumerable.Range(0, Rows / ItemsOfOperation).Select(_ => Guid.CreateVersion7(now))];
        database.AddRange(operationIds.Select(id => new Operation
        {
            OperationId = id,
            Kind = OperationKind.Requeue,
            Status = OperationStatus.Completed,
            Operator = "olga",
            Matched = ItemsOfOperation,
            CreatedAt = now,
            CompletedAt = now
        }));
        database.AddRange(Enumerable.Range(0, Rows).Select(index => new OperationItem
        {
            OperationId = operationIds[index / ItemsOfOperation],
            Number = (index % ItemsOfOperation) + 1,
            FailedMessageId = index + 1,
            Outcome = ItemOutcome.Succeeded
        }));
        database.AddRange(Enumerable.Range(1, Rows).Select(number => new OperatorAction
        {
            ActionId = Guid.CreateVersion7(now),
            At = now,
            Operator = number % 2 == 0 ? "olga" : "omar",
            Action = number % 2 == 0 ? "Requeue" : "Cancel",
            Target = $"failed-messages/{number}",
            Reason = "x"
        }));
        await database.SaveChangesAsync();
        await database.Database.ExecuteSqlRawAsync("ANALYZE");
        return true;
    }
}
