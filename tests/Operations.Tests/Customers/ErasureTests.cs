using System.Text;
using System.Text.Json;
using ConcertSaga.Operations.Customers;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Customers;

/// <summary>The erasure of a customer, against a stand-in for the owners.</summary>
public sealed class ErasureTests(PostgreSqlServer server)
{
    private static readonly string[] Others = ["orchestrator", "queue", "seats", "points", "payments", "dataplatform"];

    private const string Reason = "A request of May 3.";

    private static readonly object Request = new { userId = "mina", reason = Reason };

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>
    /// Points acts and its reply is lost, Seats is still an older version, and the relay has to wait. Each owner gets one action id only.
    /// </summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Erase_OfACustomer_ReachesEachOwnerAndForgets(DatabaseProvider provider)
    {
        await using var owners = await CustomerOwners.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, owners.Settings);
        await operations.FailAsync(2);
        owners.RepliesToLose["points"] = 1;
        owners.OlderVersions["seats"] = 1;
        owners.Waits = 2;

        var ended = await EraseAsync(operations);

        Assert.Equal(("Erase", "Completed", 7, 0), (ended.GetProperty("kind").GetString(), ended.GetProperty("status").GetString(),
            ended.GetProperty("succeeded").GetInt32(), ended.GetProperty("failed").GetInt32()));
        Assert.Equal(Others, owners.Commands.Select(sent => sent.Owner).Distinct());
        Assert.Equal(6, owners.Commands.Select(sent => sent.Command.ActionId).Distinct().Count());
        Assert.Equal((2, 2, 3), (owners.Commands.Count(sent => sent.Owner == "points"),
            owners.Commands.Count(sent => sent.Owner == "seats"), owners.Commands.Count(sent => sent.Owner == "dataplatform")));
        var command = owners.Commands.Last().Command;
        Assert.Equal(("mina", "olga", "A request of May 3.", DateTimeOffset.UnixEpoch),
            (command.UserId, command.Operator, command.Reason, command.LastOutcomeAt));
        Assert.Equal(owners.ReservationIds, command.ReservationIds);
        var pseudonym = Assert.Single(owners.Commands.Select(sent => sent.Command.Pseudonym).Distinct());
        Assert.All(await operations.ReadAsync(database => database.FailedMessages.AsNoTracking().ToListAsync()), message =>
        {
            var body = Encoding.UTF8.GetString(message.Body);
            Assert.Contains($"\"{pseudonym}\"", body, StringComparison.Ordinal);
            Assert.DoesNotContain("mina", body, StringComparison.Ordinal);
            Assert.Equal(message.Body.Length, message.Size);
        });
        Assert.Null((await operations.ReadAsync(database => database.Operations.AsNoTracking().SingleAsync())).CustomerId);
        var action = Assert.Single(await operations.ActionsAsync());
        Assert.Equal(("Erase", $"customers/{pseudonym}", "A request of May 3."), (action.Action, action.Target, action.Reason));
    }

    /// <summary>Another replica has died after the orchestrator had acted. Its pseudonym and its action ids are used again.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Erase_OfAKilledReplica_Continues(DatabaseProvider provider)
    {
        await using var owners = await CustomerOwners.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, owners.Settings);
        var operationId = Guid.CreateVersion7();
        var items = ErasureWork.ItemsOf(operationId).ToList();
        (items[0].IsBegun, items[1].Outcome) = (true, ItemOutcome.Succeeded);
        await operations.ReadAsync(database =>
        {
            database.Operations.Add(new Operation
            {
                OperationId = operationId,
                Kind = OperationKind.Erase,
                Status = OperationStatus.Running,
                Operator = "olga",
                Reason = "A request of May 3.",
                CustomerId = "mina",
                Pseudonym = "erased-1",
                Matched = items.Count,
                CreatedAt = operations.Clock.GetUtcNow(),
                StartedAt = operations.Clock.GetUtcNow(),
                LeaseId = Guid.CreateVersion7(),
                LeasedUntil = operations.Clock.GetUtcNow().AddMinutes(1)
            });
            database.OperationItems.AddRange(items);
            return database.SaveChangesAsync();
        });

        operations.Clock.Advance(TimeSpan.FromMinutes(2));
        var ended = await operations.EndedAsync(operationId);

        Assert.Equal(("Completed", 7), (ended.GetProperty("status").GetString(), ended.GetProperty("succeeded").GetInt32()));
        Assert.Equal(Others.Except(["queue"]), owners.Commands.Select(sent => sent.Owner));
        Assert.All(owners.Commands, sent => Assert.Equal("erased-1", sent.Command.Pseudonym));
        Assert.Equal(items.Where(item => item.Number is not (2 or 7)).Select(item => item.TargetId!.Value),
            owners.Commands.Select(sent => sent.Command.ActionId));
    }

    [Fact]
    public async Task Erase_ThatTheOrchestratorRefuses_ChangesNoOtherOwner()
    {
        await using var owners = await CustomerOwners.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);
        owners.Refusal = "RESERVATION_IN_PROGRESS";

        var ended = await EraseAsync(operations);

        Assert.Equal((1, 6), (ended.GetProperty("failed").GetInt32(), ended.GetProperty("skipped").GetInt32()));
        Assert.Equal("RESERVATION_IN_PROGRESS", ended.GetProperty("results")[0].GetProperty("reason").GetString());
        Assert.Equal(["orchestrator"], owners.Commands.Select(sent => sent.Owner));
        Assert.Null((await operations.ReadAsync(database => database.Operations.AsNoTracking().SingleAsync())).CustomerId);
    }

    [Fact]
    public async Task Erase_OfOneCustomerTwice_IsOneOperation()
    {
        await using var owners = await CustomerOwners.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);
        owners.RepliesToLose["orchestrator"] = 1_000;

        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ =>
            operations.CallAsync(HttpMethod.Post, "customers/erase", Request)));

        Assert.All(answers, answer => Assert.Equal(202, answer.Status));
        var operationId = Assert.Single(answers.Select(answer => answer.Body.GetProperty("operationId").GetGuid()).Distinct());
        // It has begun, so it cannot be stopped half-way.
        await Eventually.TrueAsync(() => !owners.Commands.IsEmpty, OperationsUnderTest.Limit, "the erasure has begun");
        await operations.CallAsync(HttpMethod.Delete, $"operations/{operationId}?reason=No.");
        owners.RepliesToLose["orchestrator"] = 0;
        Assert.Equal("Completed", (await operations.EndedAsync(operationId)).GetProperty("status").GetString());
    }

    [Theory]
    [InlineData("", "x", "ops", false, 400, "BAD_REQUEST")]
    [InlineData("mina", "x", null, false, 403, "FORBIDDEN")]
    [InlineData("mina", "", "ops", false, 422, "INVALID_REASON")]
    [InlineData("mina", "Mina asked for it.", "ops", false, 422, "INVALID_REASON")]
    [InlineData("mina", "x", "ops", true, 409, "RESERVATION_IN_PROGRESS")]
    public async Task Request_ThatIsInvalid_StartsNothing(
        string userId, string reason, string? roles, bool hasUnfinished, int status, string code)
    {
        await using var owners = await CustomerOwners.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);
        owners.HasUnfinished = hasUnfinished;

        var answer = await operations.CallAsync(HttpMethod.Post, "customers/erase", new { userId, reason }, roles);

        Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetString()));
        Assert.Equal(0, await operations.ReadAsync(database => database.Operations.CountAsync()));
        Assert.Empty(owners.Commands);
    }

    /// <summary>An encoded slash reaches the service as it is, and as an encoded per cent sign would.</summary>
    [Theory]
    [InlineData("mina%2Fco")]
    [InlineData("mina%2fco")]
    [InlineData("mina%252Fco")]
    public async Task Address_OfAnIdWithASlash_IsRefused(string userId)
    {
        await using var owners = await CustomerOwners.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);

        var answer = await operations.CallAsync(HttpMethod.Post, $"customers/{userId}/erase", new { reason = "x" });

        Assert.Equal((400, "BAD_REQUEST"), (answer.Status, answer.Body.GetProperty("code").GetString()));
        Assert.Contains("POST /ops/api/customers/erase", answer.Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Empty(owners.Commands);
    }

    [Fact]
    public async Task Address_OfAnIdWithAControlCharacter_IsRefused()
    {
        await using var owners = await CustomerOwners.StartAsync();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, owners.Settings);

        var answer = await operations.CallAsync(HttpMethod.Post, "customers/mina%0Aco/erase", new { reason = "x" });

        Assert.Equal((400, "BAD_REQUEST"), (answer.Status, answer.Body.GetProperty("code").GetString()));
        Assert.Empty(owners.Commands);
    }

    private static async Task<JsonElement> EraseAsync(OperationsUnderTest operations)
    {
        var (status, started) = await operations.CallAsync(HttpMethod.Post, "customers/mina/erase", new { reason = Reason });
        Assert.True(status == 202, $"{status} {started}");
        return await operations.EndedAsync(started.GetProperty("operationId").GetGuid());
    }
}
