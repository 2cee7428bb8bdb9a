using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Admission;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Queue.Tokens;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Admission;

/// <summary>Clocks that were wrong for a while and are correct again.</summary>
public sealed class ClockRepairTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Ahead = TimeSpan.FromHours(1);

    /// <summary>The bound on the harm of each stored instant. A new instant needs an entry here.</summary>
    private static readonly Dictionary<string, string> Bounds = new()
    {
        ["WaitingRoom.NextTickAt"] = "ClockRepair: at most one interval ahead",
        ["WaitingRoom.RatedAt"] = "ClockRepair: never ahead",
        ["WaitingRoom.ChangedAt"] = "ClockRepair: never ahead; it only prolongs the heartbeat",
        ["WaitingRoom.SaleOpensAt"] = "owned by Seats, compared every ConcertsInterval",
        ["WaitingRoom.SaleClosesAt"] = "owned by Seats, compared every ConcertsInterval",
        ["QueueEntry.IssuedAt"] = "TokenSigner and EntryLimit treat a future instant as now",
        ["QueueEntry.OfferedAt"] = "ClockRepair: a future offer begins now",
        ["QueueEntry.ClaimUntil"] = "ClockRepair: with OfferedAt; otherwise at most the longest claim window ahead",
        ["QueueEntry.ClaimedAt"] = "ClockRepair: a future pass begins now",
        ["QueueEntry.BookUntil"] = "ClockRepair: with ClaimedAt",
        ["QueueEntry.SlotUntil"] = "ClockRepair: with OfferedAt and ClaimedAt; of ended entries at most two tolerances ahead",
        ["QueueEntry.Exp"] = "only keeps a token valid, or its revocation in the snapshot, for longer",
        ["QueueEntry.CompletedAt"] = "decides nothing",
        ["RoomSample.At"] = "RoomSampler deletes what lies ahead",
        ["SigningKey.CreatedAt"] = "a key that seems unannounced signs only if no older one can",
        ["SigningKey.SignsFrom"] = "KeyRing ignores periods that are more than a tenth of one ahead",
        ["SigningKey.SignsUntil"] = "KeyRing: with SignsFrom",
        ["SigningKey.ValidUntil"] = "KeyRing deletes a key 30 days later",
        ["QueueMark.At"] = "OutcomeReader ignores a mark in the future",
        ["OperatorAction.At"] = "history, never compared"
    };

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Fact]
    public async Task Instants_OfTheModel_HaveABoundEach()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);
        var stored = await queue.ReadAsync(database => Task.FromResult(database.Model.GetEntityTypes()
            .SelectMany(type => type.GetProperties()
                .Where(property => (Nullable.GetUnderlyingType(property.ClrType) ?? property.ClrType) == typeof(DateTimeOffset))
                .Select(property => $"{type.ClrType.Name}.{property.Name}")).Order().ToList()));

        Assert.Equal(Bounds.Keys.Order(), stored);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Room_AfterAClockWasAhead_AdmitsAtOnceAndFreesSlots(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:Capacity", "4"));
        var tokens = new List<QueueTokenView>();
        for (var i = 0; i < 8; i++)
            tokens.Add(await queue.EnterAsync($"user-{i}"));
        queue.Clock.Shift(Ahead);
        await queue.TickAsync();
        await queue.ClaimAsync("user-0", tokens[0]);
        await queue.LeaveAsync("user-1", tokens[1]);
        queue.Clock.Advance(TimeSpan.FromSeconds(5));
        await queue.TickAsync();
        queue.Clock.Shift(-Ahead);

        // Without the repair, the room admits no customer for an hour.
        await queue.TickAsync();
        Assert.Equal(4, (await queue.RoomAsync()).Serving);
        await RepairAsync(queue);

        var room = await queue.RoomAsync();
        var now = queue.Clock.GetUtcNow();
        Assert.True(room.NextTickAt <= now && room.RatedAt <= now && room.ChangedAt <= now);
        var rows = await queue.RowsAsync();
        Assert.Equal((now, DateTimeOffset.FromUnixTimeSeconds(now.AddMinutes(2).ToUnixTimeSeconds())),
            (rows[0].ClaimedAt, rows[0].BookUntil));
        Assert.All(rows, row => Assert.True(row.SlotUntil is null || row.SlotUntil <= now + TimeSpan.FromMinutes(2) + ClockSkew.Tolerance));
        Assert.Equal(now + ClockSkew.Tolerance, rows[1].SlotUntil);
        Assert.All(rows.Where(row => row.Status == QueueEntryStatus.Offered), row => Assert.Equal(now.AddMinutes(1), row.ClaimUntil));
        // All offers expire within a claim window, and the next customers are admitted.
        queue.Clock.Advance(TimeSpan.FromMinutes(1) + ClockSkew.Tolerance);
        await queue.TickAsync();
        Assert.Equal(6, (await queue.RoomAsync()).Serving);
        // A second repair changes nothing.
        var sequence = (await queue.RoomAsync()).Sequence;
        await RepairAsync(queue);
        Assert.Equal(sequence, (await queue.RoomAsync()).Sequence);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tokens_IssuedByAClockThatWasAhead_AreNotFromTheFuture(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        queue.Clock.Shift(Ahead);
        await queue.EnterAsync("mina");
        queue.Clock.Shift(-Ahead);

        var again = await queue.EnterAsync("mina", expected: System.Net.HttpStatusCode.OK);

        Assert.Equal($"{queue.Clock.GetUtcNow().ToUnixTimeSeconds()}", TokenReader.ClaimsOf(again.Token)["iat"]);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Keys_AfterAClockWasDaysAhead_StillVerifyAndRotate(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var token = await queue.EnterAsync("mina");
        queue.Clock.Shift(TimeSpan.FromDays(20));
        await RefreshAsync();
        queue.Clock.Shift(TimeSpan.FromDays(-20));
        for (var day = 0; day < 25; day++)
        {
            await RefreshAsync();
            var snapshot = await queue.SnapshotAsync();
            if (queue.Clock.GetUtcNow() < token.ExpiresAt)
                Assert.True((await TokenReader.CheckAsync(
                    token.Token, QueueTokenKind.Waiting, snapshot, queue.Clock.GetUtcNow())).IsValid);
            var next = await queue.EnterAsync($"user-{day}");
            Assert.True((await TokenReader.CheckAsync(
                next.Token, QueueTokenKind.Waiting, await queue.SnapshotAsync(), next.ExpiresAt.AddSeconds(-1))).IsValid);
            // Each period has its own key, including those before the key that was created too early.
            Assert.True(await queue.ReadAsync(database =>
                database.Keys.AnyAsync(key => key.SignsFrom <= queue.Clock.GetUtcNow() && key.SignsUntil > queue.Clock.GetUtcNow())));
            queue.Clock.Advance(TimeSpan.FromDays(1));
        }

        Task RefreshAsync() => queue.WithAsync<KeyRing>(keys => keys.RefreshAsync(CancellationToken.None));
    }

    private static Task RepairAsync(QueueUnderTest queue) =>
        queue.WithAsync<ClockRepair>(repair => repair.RunOnceAsync(CancellationToken.None));
}
