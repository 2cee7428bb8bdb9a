using System.Net;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.QueueUnderTest;

namespace ConcertSaga.Queue.Tests;

public sealed class AdmissionTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_AgainAndAgain_LetsBatchesInUpToTheCapacity(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var tokens = await EnterAsync(queue, 5);

        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
        // News that waits longer than three seconds is not published: it must be out before the clock moves.
        await IsToldAsync(2);
        // Not before the interval is over.
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
        queue.Clock.Advance(Interval);
        await queue.TickAsync();
        queue.Clock.Advance(Interval);
        await queue.TickAsync();

        // The third slot is the last.
        Assert.Equal((3L, 2L), ((await queue.RoomAsync()).Serving, (await queue.RoomAsync()).Sequence));
        Assert.Equal("1 1 1 1 2", string.Join(' ', await PositionsAsync(queue, tokens)));
        Assert.Equal(Now.AddSeconds(60), (await queue.RowAsync(tokens[0])).ClaimUntil);
        await IsToldAsync(2, 3);

        Task IsToldAsync(params long[] serving) => Eventually.TrueAsync(
            () => queue[0].Published.OfType<QueueAdvanced>().Select(message => message.Serving).Distinct().SequenceEqual(serving),
            TimeSpan.FromSeconds(10), $"{string.Join(" and ", serving)} are published");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Claim_InTime_GivesThePassAgainAndAgain(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        var tokens = await EnterAsync(queue, 3);
        await queue.TickAsync();

        queue.Clock.Advance(TimeSpan.FromSeconds(59.5));
        var pass = await queue.ClaimAsync("user-1", tokens[0]);
        queue.Clock.Advance(TimeSpan.FromSeconds(30));
        var again = await queue.ClaimAsync("user-1", tokens[0], replica: 1);
        var entered = await queue.EnterAsync("user-1", expected: HttpStatusCode.OK);

        // Whole seconds, as the pass has them.
        Assert.Equal(("Active", 0L, Now.AddSeconds(59 + 120)), (pass.Status, pass.Position, pass.ExpiresAt));
        Assert.Equal(Read(pass.Token), Read(again.Token));
        Assert.Equal(Read(pass.Token), Read(entered.Token));
        Assert.Equal(QueueTokenFormat.PassType, Tokens.TypeOf(pass.Token));
        // The third is still in line, whatever the gateway thought.
        Assert.Equal("Waiting", (await queue.ClaimAsync("user-3", tokens[2])).Status);

        static string Read(string token) => string.Join(' ', Tokens.ClaimsOf(token).Select(claim => $"{claim.Key}={claim.Value}"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Claim_ManyAtOnce_GivesOnePass(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        var token = await queue.EnterAsync("mina");
        await queue.TickAsync();

        var passes = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => queue.ClaimAsync("mina", token, replica: i % 2)));

        Assert.Single(passes.Select(pass => (pass.TokenId, pass.ExpiresAt)).Distinct());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Claim_TooLate_IsExpiredAndTheSlotGoesToTheNext(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var tokens = await EnterAsync(queue, 5);
        await queue.TickAsync();
        queue.Clock.Advance(Interval);
        await queue.TickAsync();
        await queue.ClaimAsync("user-2", tokens[1]);

        queue.Clock.Advance(TimeSpan.FromSeconds(55));
        await RefusedAsync(await queue.PollAsync("user-1", tokens[0]), 410, "QUEUE_TOKEN_EXPIRED");
        // One clock skew later the slot is free.
        await queue.TickAsync();
        Assert.Equal(3, (await queue.RoomAsync()).Serving);
        queue.Clock.Advance(Interval);
        await queue.TickAsync();

        Assert.Equal(4, (await queue.RoomAsync()).Serving);
        await RefusedAsync(await queue.PollAsync("user-1", tokens[0]), 410, "QUEUE_TOKEN_EXPIRED");
        Assert.Equal(QueueTokenStatus.Expired, (await queue.RowAsync(tokens[0])).Status);
        // Who stayed away stands at the end.
        Assert.Equal(2, (await queue.EnterAsync("user-1")).Position);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Pass_AfterBookUntil_IsExpiredAndItsSlotFreeOneSkewLater(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:Capacity", "1"));
        var tokens = await EnterAsync(queue, 2);
        await queue.TickAsync();
        await queue.ClaimAsync("user-1", tokens[0]);

        queue.Clock.Advance(TimeSpan.FromSeconds(120));
        await RefusedAsync(await queue.PollAsync("user-1", tokens[0]), 410, "QUEUE_TOKEN_EXPIRED");
        await queue.TickAsync();
        Assert.Equal(1, (await queue.RoomAsync()).Serving);
        queue.Clock.Advance(Interval);
        await queue.TickAsync();

        Assert.Equal("Active", (await queue.ClaimAsync("user-2", tokens[1])).Status);
        // Whoever enters again before that has no slot twice.
        queue.Clock.Advance(TimeSpan.FromSeconds(120));
        Assert.Equal(1, (await queue.EnterAsync("user-2")).Position);
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_BeforeTheSaleAndAfter_LetsNobodyIn(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2, opensIn: TimeSpan.FromSeconds(7), closesIn: TimeSpan.FromSeconds(10));
        var token = await queue.EnterAsync("mina", 2);
        await queue.EnterAsync("noor", 2);
        await queue.EnterAsync("omar", 2);
        Assert.Equal(QueueAdmission.NotOpenYet, token.Admission);

        await queue.TickAsync();
        queue.Clock.Advance(Interval);
        await queue.TickAsync();
        Assert.Equal(0, (await queue.RoomAsync(2)).Serving);
        // At the opening, not an interval after the last look.
        queue.Clock.Advance(TimeSpan.FromSeconds(2));
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync(2)).Serving);
        queue.Clock.Advance(Interval);
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync(2)).Serving);
        Assert.Equal(QueueAdmission.Closed, (await queue.SnapshotAsync()).Concerts.Single(room => room.ConcertId == 2).Admission);
        // What was offered can still be taken.
        Assert.Equal("Active", (await queue.ClaimAsync("mina", token)).Status);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_WhileReservationsAreNotTaken_LetsNobodyInAndGoesOnAfter(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await EnterAsync(queue, 3);

        await queue.LookAsync();
        await AssertAsync(0, QueueAdmission.Suspended);
        queue.Hear(new BookingReported(false, 0, queue.Clock.GetUtcNow()));
        queue.Clock.Advance(Interval);
        await queue.LookAsync();
        await AssertAsync(0, QueueAdmission.Suspended);

        queue.Hear(new BookingReported(true, 1_001, queue.Clock.GetUtcNow()));
        queue.Clock.Advance(TimeSpan.FromSeconds(4));
        await queue.LookAsync();
        await AssertAsync(0, QueueAdmission.Suspended);

        // A yes from long ago is none.
        queue.Hear(new BookingReported(true, 0, Now.AddMinutes(-1)));
        await AssertAsync(0, QueueAdmission.Suspended);
        queue.Clock.Advance(Interval);
        queue.Hear(new BookingReported(true, 1_000, queue.Clock.GetUtcNow()));
        await queue.LookAsync();
        await AssertAsync(2, QueueAdmission.Open);
        queue.Clock.Advance(Interval);
        await queue.LookAsync();
        await AssertAsync(2, QueueAdmission.Suspended);

        async Task AssertAsync(long serving, QueueAdmission admission)
        {
            Assert.Equal(serving, (await queue.RoomAsync()).Serving);
            Assert.Equal(admission, (await queue.SnapshotAsync()).Concerts.Single().Admission);
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_WhenTheRestHasLeft_LetsTheNextPersonStandFirst(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var tokens = await EnterAsync(queue, 4);
        await queue.TickAsync();
        foreach (var i in new[] { 2, 3 })
            Assert.Equal(HttpStatusCode.NoContent, (await queue.LeaveAsync($"user-{i + 1}", tokens[i])).StatusCode);

        queue.Clock.Advance(Interval);
        await queue.TickAsync();

        Assert.Equal(4, (await queue.RoomAsync()).Serving);
        Assert.Equal((1, 0L), ((await queue.EnterAsync("late")).Position, (await queue.EnterAsync("late", expected: HttpStatusCode.OK)).PeopleAhead));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_OfTwoReplicasAtOnce_LetsOneBatchIn(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2, settings: ("Queue:Capacity", "50"));
        await EnterAsync(queue, 40);

        for (var round = 1; round <= 10; round++)
        {
            await Task.WhenAll(queue.TickAsync(0), queue.TickAsync(1), queue.TickAsync(0), queue.TickAsync(1));
            Assert.Equal(2 * round, (await queue.RoomAsync()).Serving);
            queue.Clock.Advance(Interval);
        }
        Assert.Equal(10, (await queue.RoomAsync()).Sequence);
    }

    [Fact]
    public async Task Rate_WhileSlotsAreTaken_FallsToWhatPassesAllow()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server, settings: ("Queue:PassLifetime", "00:01:55"));
        await EnterAsync(queue, 50);
        Assert.Equal(0.4, await RateAsync(), 3);

        for (var i = 0; i < 3; i++)
        {
            await queue.TickAsync();
            queue.Clock.Advance(Interval);
        }
        Assert.InRange(await RateAsync(), 0.3, 0.4);
        // Three slots for two minutes each.
        for (var i = 0; i < 100; i++)
        {
            await queue.TickAsync();
            queue.Clock.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.InRange(await RateAsync(), 3 / 120.0, 0.2);

        async Task<double> RateAsync() => (await queue.SnapshotAsync()).Concerts.Single().Rate;
    }

    private static async Task<QueueTokenView[]> EnterAsync(QueueUnderTest queue, int people)
    {
        var tokens = new QueueTokenView[people];
        for (var i = 0; i < people; i++)
            tokens[i] = await queue.EnterAsync($"user-{i + 1}");
        return tokens;
    }

    private static async Task<long[]> PositionsAsync(QueueUnderTest queue, QueueTokenView[] tokens)
    {
        var serving = (await queue.RoomAsync()).Serving;
        var rows = await queue.RowsAsync();
        return [.. tokens.Select(token => Math.Max(1, rows.Single(row => row.TokenId == token.TokenId).Number - serving))];
    }
}
