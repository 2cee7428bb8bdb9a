using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
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

    // One message in four waits, and one in a thousand is of another queue. The change tracker would take seconds.
    private static async Task<bool> FillAsync(OperationsDbContext database)
    {
        var now = TimeProvider.System.GetUtcNow();
        database.AddRange(Enumerable.Range(0, Rows / ItemsOfOperation).Select(_ => new Operation
        {
            OperationId = Guid.CreateVersion7(now),
            Kind = OperationKind.Requeue,
            Status = OperationStatus.Completed,
            Operator = "olga",
            Matched = ItemsOfOperation,
            CreatedAt = now,
            CompletedAt = now
        }));
        await database.SaveChangesAsync();
        database.ChangeTracker.Clear();
        var isSqlite = database.Database.GetProvider() == DatabaseProvider.Sqlite;
        var at = isSqlite ? $"'{now.UtcDateTime:yyyy-MM-dd HH:mm:ss}'" : $"timestamptz '{now.UtcDateTime:s}Z'";
        var (id, body, headers) = isSqlite
            ? ("upper(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || "
                + "hex(randomblob(6)))", "zeroblob(1000)", "json_object()")
            : ("gen_random_uuid()", "decode(repeat('00', 1000), 'hex')", "json_build_object()::text");
        string[] statements =
        [
            $"""
            INSERT INTO "FailedMessages" ("Queue", "Kind", "MessageId", "MessageType", "ExceptionType", "Fingerprint", "ReceivedAt",
                "Status", "CompletedAt", "Size", "Headers", "Body")
            {Numbers(Rows)}
            SELECT CASE WHEN i % 1000 = 1 THEN 'seats-hold' ELSE 'points-deduct' END, 'Error', CAST(i AS text), 'A', 'B', CAST(i AS text),
                {at}, CASE WHEN i % 4 = 1 THEN 'Waiting' ELSE 'Requeued' END, CASE WHEN i % 4 <> 1 THEN {at} END, 1000, {headers}, {body}
            FROM n ORDER BY i
            """,
            $"""
            INSERT INTO "OperationItems" ("OperationId", "Number", "FailedMessageId", "IsBegun", "Outcome")
            {Numbers(ItemsOfOperation)}
            SELECT "OperationId", i, before + i, false, 'Succeeded'
            FROM (SELECT "OperationId", (row_number() OVER (ORDER BY "OperationId") - 1) * {ItemsOfOperation} AS before
                FROM "Operations") AS operation CROSS JOIN n ORDER BY 1, 2
            """,
            $"""
            INSERT INTO "OperatorActions" ("ActionId", "At", "Operator", "Action", "Target", "Reason")
            {Numbers(Rows)}
            SELECT {id}, {at}, CASE WHEN i % 2 = 0 THEN 'olga' ELSE 'omar' END, CASE WHEN i % 2 = 0 THEN 'Requeue' ELSE 'Cancel' END,
                'failed-messages/' || i, 'x'
            FROM n ORDER BY random()
            """,
            "ANALYZE"
        ];
        foreach (var statement in statements)
#pragma warning disable EF1002 // Constants of the test.
            await database.Database.ExecuteSqlRawAsync(statement);
#pragma warning restore EF1002
        return true;
    }

    // Generates rows on both servers; SQLite has no generate_series.
    private static string Numbers(int count) => $"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})";
}
