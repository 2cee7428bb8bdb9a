using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Invariants;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Invariants;

[Collection(nameof(AloneCollection))]
public sealed class InvariantCheckerTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static readonly (string, string)[] Fast = [("Operations:CheckPause", "00:00:00"), ("Operations:SecondLookAfter", "00:00:00.2")];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Check_OfManyRows_FindsWhatIsWrongUntilItIsRepaired(DatabaseProvider provider)
    {
        await using var owners = await OwnersStub.StartAsync();
        for (var number = 0; number < 1_000; number++)
            owners.Accounts[$"user-{number:d4}"] = new AccountFact($"user-{number:d4}", 5, 1, 5, 1);
        owners.Accounts["user-0777"] = new AccountFact("user-0777", 6, 1, 5, 1);
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, [.. owners.Settings, .. Fast]);

        var found = await CheckAsync(operations, InvariantKind.BalanceEqualsLedger);
        Assert.Equal((1_000L, 1), (found.GetProperty("rowsChecked").GetInt64(), found.GetProperty("findingCount").GetInt32()));
        var finding = Assert.Single(found.GetProperty("findings").EnumerateArray());
        Assert.Equal(("accounts/user-0777", "The balance is 6 after 1 entries, and the 1 entries of the ledger sum to 5."),
            (finding.GetProperty("subject").GetString(), finding.GetProperty("detail").GetString()));
        await operations.WithAsync<InvariantMetrics, bool>(async metrics =>
        {
            await metrics.RunOnceAsync(CancellationToken.None);
            return true;
        });
        // An answer to another reader may be kept for a moment.
        await Eventually.TrueAsync(async () => Regex.IsMatch(await operations.MetricsAsync(),
            @"invariant_findings\{[^}]*invariant=""BalanceEqualsLedger""[^}]*\} 1\b"), TimeSpan.FromSeconds(60), "the gauge shows it");
        var since = finding.GetProperty("foundAt").GetDateTimeOffset();
        Assert.Equal(since, Assert.Single((await CheckAsync(operations, InvariantKind.BalanceEqualsLedger)).GetProperty("findings")
            .EnumerateArray()).GetProperty("foundAt").GetDateTimeOffset());

        owners.Accounts["user-0777"] = new AccountFact("user-0777", 5, 1, 5, 1);
        Assert.Equal(0, (await CheckAsync(operations, InvariantKind.BalanceEqualsLedger)).GetProperty("findingCount").GetInt32());
        Assert.All(await operations.ActionsAsync(), action => Assert.Equal(
            ("Check", "invariants/BalanceEqualsLedger", "To be sure.", "olga"),
            (action.Action, action.Target, action.Reason, action.Operator)));
        Assert.Equal(3, (await operations.ActionsAsync()).Count);
    }

    /// <summary>Both looks find the account wrong, and each in another way: it is just changing.</summary>
    [Fact]
    public async Task Disagreement_ThatChanges_IsNoFinding()
    {
        await using var owners = await OwnersStub.StartAsync();
        var balance = 5;
        owners.BeforeAccounts = () => owners.Accounts["mina"] = new AccountFact("mina", Interlocked.Increment(ref balance), 1, 5, 1);
        owners.BeforeAccounts();
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null,
            [.. owners.Settings, .. Fast]);

        Assert.Equal(0, (await CheckAsync(operations, InvariantKind.BalanceEqualsLedger)).GetProperty("findingCount").GetInt32());
    }

    [Fact]
    public async Task Findings_OfOneCause_AreBounded()
    {
        await using var owners = await OwnersStub.StartAsync();
        for (var number = 0; number < 1_300; number++)
            owners.Accounts[$"user-{number:d4}"] = new AccountFact($"user-{number:d4}", 6, 1, 5, 1);
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null,
            [.. owners.Settings, .. Fast]);

        var found = await CheckAsync(operations, InvariantKind.BalanceEqualsLedger);

        Assert.Equal((1_300L, 1_000, 100), (found.GetProperty("rowsChecked").GetInt64(), found.GetProperty("findingCount").GetInt32(),
            found.GetProperty("findings").GetArrayLength()));
    }

    /// <summary>Another replica died in the middle of its check. This one continues at its position.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Check_OfADeadReplica_ContinuesWhereItWas(DatabaseProvider provider)
    {
        await using var owners = await OwnersStub.StartAsync();
        owners.Away["/internal/facts/accounts"] = true;
        for (var number = 0; number < 10; number++)
            owners.Accounts[$"user-{number}"] = new AccountFact($"user-{number}", 5, 1, 5, 1);
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, [.. owners.Settings, .. Fast]);
        await operations.ReadAsync(database => database.InvariantChecks
            .Where(check => check.Invariant == InvariantKind.BalanceEqualsLedger)
            .ExecuteUpdateAsync(set => set.SetProperty(check => check.RunId, Guid.CreateVersion7())
                .SetProperty(check => check.StartedAt, operations.Clock.GetUtcNow()).SetProperty(check => check.Cursor, "user-6")
                .SetProperty(check => check.RowsSoFar, 7L).SetProperty(check => check.LeaseId, Guid.CreateVersion7())
                .SetProperty(check => check.LeasedUntil, operations.Clock.GetUtcNow().AddMinutes(1))));
        owners.Away.Clear();
        owners.Accounts["user-3"] = new AccountFact("user-3", 6, 1, 5, 1);

        operations.Clock.Advance(TimeSpan.FromMinutes(2));
        await Eventually.TrueAsync(async () => (await ReadAsync(operations, InvariantKind.BalanceEqualsLedger))
            .GetProperty("checkedAt").ValueKind != JsonValueKind.Null, Limit, "the check is complete");

        var check = await ReadAsync(operations, InvariantKind.BalanceEqualsLedger);
        Assert.Equal((10L, 0), (check.GetProperty("rowsChecked").GetInt64(), check.GetProperty("findingCount").GetInt32()));
    }

    /// <summary>A replica whose clock was an hour ahead has leased a check, and has died.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Check_OfAWrongClock_RunsAgain(DatabaseProvider provider)
    {
        await using var owners = await OwnersStub.StartAsync();
        owners.Away["/internal/facts/accounts"] = true;
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, [.. owners.Settings, .. Fast]);
        var later = operations.Clock.GetUtcNow().AddHours(1);
        await operations.ReadAsync(database => database.InvariantChecks
            .Where(check => check.Invariant == InvariantKind.BalanceEqualsLedger)
            .ExecuteUpdateAsync(set => set.SetProperty(check => check.RunId, (Guid?)null)
                .SetProperty(check => check.StartedAt, later).SetProperty(check => check.LeaseId, Guid.CreateVersion7())
                .SetProperty(check => check.LeasedUntil, later)));

        owners.Away.Clear();

        await Eventually.TrueAsync(async () => (await ReadAsync(operations, InvariantKind.BalanceEqualsLedger))
            .GetProperty("checkedAt").ValueKind != JsonValueKind.Null, Limit, "the check is complete");
    }

    /// <summary>One test per invariant is in the end-to-end tests, on the product's databases.</summary>
    [Fact]
    public async Task Checks_OfAllInvariants_ReadEveryList()
    {
        await using var owners = await OwnersStub.StartAsync();
        foreach (var sheet in new[] { Sheets.In("Confirmed"), Sheets.In("Expired") })
        {
            var id = Guid.CreateVersion7();
            owners.Reservations[id] = sheet.Reservation! with { ReservationId = id };
        }
        owners.Seats[Sheets.Other] = Sheets.Hold("Held") with { ReservationId = Sheets.Other, Seats = [] };
        owners.Points[Sheets.Other] = Sheets.Moved(Sheets.Price, null) with { ReservationId = Sheets.Other };
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null,
            [.. owners.Settings, .. Fast]);

        var counts = new Dictionary<InvariantKind, (long, int)>();
        foreach (var kind in Enum.GetValues<InvariantKind>())
        {
            var check = await CheckAsync(operations, kind);
            counts[kind] = (check.GetProperty("rowsChecked").GetInt64(), check.GetProperty("findingCount").GetInt32());
        }

        Assert.Equal(new Dictionary<InvariantKind, (long, int)>
        {
            [InvariantKind.SeatsSoldOnce] = (3, 2),
            [InvariantKind.BalanceEqualsLedger] = (0, 0),
            [InvariantKind.DebitsMatchOutcomes] = (3, 2),
            [InvariantKind.HoldsHaveReservations] = (1, 1),
            [InvariantKind.OutcomesDelivered] = (2, 1),
            [InvariantKind.DeadlinesKept] = (0, 0)
        }, counts);
    }

    [Theory]
    [InlineData("GET", "invariants", null, null, 403, "FORBIDDEN")]
    [InlineData("POST", "invariants/DeadlinesKept/check", "x", null, 403, "FORBIDDEN")]
    [InlineData("POST", "invariants/Nothing/check", "x", "ops", 404, "INVARIANT_NOT_FOUND")]
    [InlineData("POST", "invariants/0/check", "x", "ops", 404, "INVARIANT_NOT_FOUND")]
    [InlineData("POST", "invariants/DeadlinesKept/check", "", "ops", 422, "INVALID_REASON")]
    public async Task Request_ThatIsInvalid_IsRefused(
        string method, string route, string? reason, string? roles, int status, string code)
    {
        await using var operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);

        var answer = await operations.CallAsync(new HttpMethod(method), route, reason is null ? null : new { reason }, roles);

        Assert.Equal((status, code), (answer.Status, answer.Body.GetProperty("code").GetString()));
        Assert.Empty(await operations.ActionsAsync());
    }

    private static async Task<JsonElement> CheckAsync(OperationsUnderTest operations, InvariantKind kind)
    {
        var (status, accepted) = await operations.CallAsync(HttpMethod.Post, $"invariants/{kind}/check", new { reason = "To be sure." });
        Assert.True(status == 202, $"{status} {accepted}");
        var requestedAt = accepted.GetProperty("requestedAt").GetDateTimeOffset();
        JsonElement check = default;
        await Eventually.TrueAsync(async () =>
        {
            check = await ReadAsync(operations, kind);
            return !check.GetProperty("isRunning").GetBoolean() && check.GetProperty("startedAt") is { ValueKind: JsonValueKind.String } at
                && at.GetDateTimeOffset() >= requestedAt;
        }, Limit, "the check is complete");
        return check;
    }

    private static async Task<JsonElement> ReadAsync(OperationsUnderTest operations, InvariantKind kind) =>
        (await operations.CallAsync(HttpMethod.Get, "invariants")).Body.GetProperty("items").EnumerateArray()
            .Single(row => row.GetProperty("name").GetString() == $"{kind}");
}
