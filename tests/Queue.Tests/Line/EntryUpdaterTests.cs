using System.Net;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Line;

public sealed class EntryUpdaterTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60), Interval = TimeSpan.FromSeconds(5);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Claim_Repeated_ReturnsTheSamePass(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        var tokens = await queue.EnterManyAsync(3);
        await queue.TickAsync();

        queue.Clock.Advance(TimeSpan.FromSeconds(59.5));
        var pass = await queue.ClaimAsync("user-1", tokens[0]);
        queue.Clock.Advance(TimeSpan.FromSeconds(30));
        var again = await queue.ClaimAsync("user-1", tokens[0], replica: 1);
        var entered = await queue.EnterAsync("user-1", expected: HttpStatusCode.OK);

        // The pass carries whole seconds.
        Assert.Equal(("Active", 0L, Now.AddSeconds(59 + 120)), (pass.Status, pass.Position, pass.ExpiresAt));
        Assert.Equal(Read(pass.Token), Read(again.Token));
        Assert.Equal(Read(pass.Token), Read(entered.Token));
        Assert.Equal(QueueTokenFormat.PassType, TokenReader.TypeOf(pass.Token));
        // The third customer still waits, even if the gateway forwards the poll.
        Assert.Equal("Waiting", (await queue.ClaimAsync("user-3", tokens[2])).Status);

        static string Read(string token) => string.Join(' ', TokenReader.ClaimsOf(token).Select(claim => $"{claim.Key}={claim.Value}"));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Claim_ByConcurrentCalls_GivesOnePass(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        var token = await queue.EnterAsync("mina");
        await queue.TickAsync();

        var passes = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => queue.ClaimAsync("mina", token, replica: i % 2)));

        Assert.Single(passes.Select(pass => (pass.TokenId, pass.ExpiresAt)).Distinct());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Claim_TooLate_IsExpiredAndTheNextGetsTheSlot(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var tokens = await queue.EnterManyAsync(5);
        await queue.TickAsync();
        queue.Clock.Advance(Interval);
        await queue.TickAsync();
        await queue.ClaimAsync("user-2", tokens[1]);

        queue.Clock.Advance(TimeSpan.FromSeconds(55));
        await RefusedAsync(await queue.PollAsync("user-1", tokens[0]), 410, "QUEUE_TOKEN_EXPIRED");
        // The slot becomes free one clock skew later.
        await queue.TickAsync();
        Assert.Equal(3, (await queue.RoomAsync()).Serving);
        queue.Clock.Advance(ClockSkew.Tolerance);
        await queue.TickAsync();

        Assert.Equal(4, (await queue.RoomAsync()).Serving);
        await RefusedAsync(await queue.PollAsync("user-1", tokens[0]), 410, "QUEUE_TOKEN_EXPIRED");
        Assert.Equal(QueueEntryStatus.Expired, (await queue.RowAsync(tokens[0])).Status);
        // The customer who missed the offer starts at the end.
        Assert.Equal(2, (await queue.EnterAsync("user-1")).Position);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Pass_AfterBookUntil_IsExpiredAndItsSlotFreeOneSkewLater(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:Capacity", "1"));
        var tokens = await queue.EnterManyAsync(2);
        await queue.TickAsync();
        await queue.ClaimAsync("user-1", tokens[0]);

        queue.Clock.Advance(TimeSpan.FromSeconds(120));
        await RefusedAsync(await queue.PollAsync("user-1", tokens[0]), 410, "QUEUE_TOKEN_EXPIRED");
        await queue.TickAsync();
        Assert.Equal(1, (await queue.RoomAsync()).Serving);
        queue.Clock.Advance(ClockSkew.Tolerance);
        await queue.TickAsync();

        Assert.Equal("Active", (await queue.ClaimAsync("user-2", tokens[1])).Status);
        // A customer who enters again before the slot is free does not get two.
        queue.Clock.Advance(TimeSpan.FromSeconds(120));
        Assert.Equal(1, (await queue.EnterAsync("user-2")).Position);
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Leave_WhileWaiting_IsPublishedAndMovesTheCustomerToTheEnd(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var token = await queue.EnterAsync("mina");
        await queue.EnterAsync("noor");

        Assert.Equal(HttpStatusCode.NoContent, (await queue.LeaveAsync("mina", token)).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await queue.LeaveAsync("mina", token)).StatusCode);

        await RefusedAsync(await queue.PollAsync("mina", token), 410, "QUEUE_TOKEN_REVOKED");
        Assert.Equal(new QueueTokenRevoked(1, 1, token.TokenId, token.ExpiresAt, Left: true),
            (await queue.SnapshotAsync()).Revocations.Single());
        await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueAdvanced>().Any(message => message.Sequence == 2), Limit,
            "the change is published");
        Assert.Equal((1L, true), (queue[0].Published.OfType<QueueTokenRevoked>().Single().Sequence,
            queue[0].Published.OfType<QueueTokenRevoked>().Single().Left));
        Assert.All(queue[0].Published.OfType<QueueAdvanced>(), message => Assert.Contains(message.Sequence, new[] { 0L, 2L }));
        var again = await queue.EnterAsync("mina");
        // One customer waits ahead.
        Assert.Equal(2, again.Position);
        Assert.NotEqual(token.TokenId, again.TokenId);
        // Gateways, whose clocks differ, accept a token for some seconds more. Later they need no revocation.
        queue.Clock.Advance(token.ExpiresAt - queue.Clock.GetUtcNow() + ClockSkew.Tolerance);
        Assert.Single((await queue.SnapshotAsync()).Revocations);
        queue.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Empty((await queue.SnapshotAsync()).Revocations);
    }

    /// <summary>The gateway may forward a token that it refuses. Only a repeat of the call that ended the token succeeds.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Token_RefusedByTheGateway_AnswersOnlyRepeats(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var (left, bought, waits) = (await queue.EnterAsync("mina"), await queue.EnterAsync("noor"), await queue.EnterAsync("omar"));
        await queue.TickAsync();
        await queue.ClaimAsync("noor", bought);
        await queue.LeaveAsync("mina", left);
        await queue.CompleteAsync(bought);
        var sequence = (await queue.RoomAsync()).Sequence;

        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(HttpMethod.Delete, "mina", left, "QUEUE_TOKEN_REVOKED")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(HttpMethod.Delete, "mina", left, "QUEUE_TOKEN_EXPIRED")).StatusCode);
        await RefusedAsync(await SendAsync(HttpMethod.Delete, "noor", bought, "QUEUE_TOKEN_REVOKED"), 410, "QUEUE_TOKEN_REVOKED");
        await RefusedAsync(await SendAsync(HttpMethod.Delete, "omar", waits, "QUEUE_TOKEN_EXPIRED"), 410, "QUEUE_TOKEN_EXPIRED");
        await RefusedAsync(await SendAsync(HttpMethod.Delete, "omar", left, "QUEUE_TOKEN_REVOKED"), 410, "QUEUE_TOKEN_REVOKED");
        await RefusedAsync(await SendAsync(HttpMethod.Get, "omar", waits, "QUEUE_TOKEN_EXPIRED"), 410, "QUEUE_TOKEN_EXPIRED");
        await RefusedAsync(await SendAsync(HttpMethod.Get, "omar", waits, "QUEUE_TOKEN_WRONG_CONCERT"), 403, "QUEUE_TOKEN_WRONG_CONCERT");

        Assert.Equal((sequence, QueueEntryStatus.Waiting), ((await queue.RoomAsync()).Sequence, (await queue.RowAsync(waits)).Status));

        Task<HttpResponseMessage> SendAsync(HttpMethod method, string user, QueueTokenView token, string refusal) =>
            queue.SendAsync(method, "/api/queue/tokens/current", user, token, refusal: refusal);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Leave_WithAPass_EndsThePassAndFreesTheSlotOneSkewLater(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:Capacity", "1"));
        var token = await queue.EnterAsync("mina");
        await queue.EnterAsync("noor");
        await queue.TickAsync();
        var pass = await queue.ClaimAsync("mina", token);

        Assert.Equal(HttpStatusCode.NoContent, (await queue.LeaveAsync("mina", pass)).StatusCode);

        // Payment stays possible for the hold duration and a minute.
        Assert.Equal(pass.ExpiresAt.AddMinutes(6), (await queue.SnapshotAsync()).Revocations.Single().Exp);
        queue.Clock.Advance(TimeSpan.FromSeconds(9.9));
        await queue.TickAsync();
        Assert.Equal(1, (await queue.RoomAsync()).Serving);
        queue.Clock.Advance(TimeSpan.FromSeconds(5));
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Confirmed_ByMessage_CompletesOnceAndFreesTheSlotAtOnce(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:Capacity", "1"));
        var token = await queue.EnterAsync("mina");
        await queue.EnterAsync("noor");
        await queue.TickAsync();
        await queue.ClaimAsync("mina", token);
        var confirmed = new ReservationConfirmed(Guid.CreateVersion7(), "mina", 1, 1, [1], 1_000, token.TokenId, Now, 1);

        await queue.WithAsync<IBus>(async bus =>
        {
            await bus.Publish(confirmed with { QueueTokenId = null });
            for (var copy = 0; copy < 5; copy++)
                await bus.Publish(confirmed);
        });
        await Eventually.TrueAsync(async () => (await queue.RowAsync(token)).Status == QueueEntryStatus.Completed, Limit,
            "the entry is completed");
        await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueTokenRevoked>().Any(), Limit,
            "the revocation is published before the clock moves");

        await RefusedAsync(await queue.PollAsync("mina", token), 410, "QUEUE_TOKEN_REVOKED");
        await RefusedAsync(await queue.LeaveAsync("mina", token), 410, "QUEUE_TOKEN_REVOKED");
        Assert.Equal(2, (await queue.EnterAsync("mina")).Position);
        queue.Clock.Advance(TimeSpan.FromSeconds(5));
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
        await queue.CompleteAsync(token);
        Assert.Equal((4L, 2L), ((await queue.RoomAsync()).Sequence, (await queue.RowAsync(token)).RevokedSequence));
        await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueAdvanced>().Any(message => message.Sequence == 4), Limit,
            "the last change is published");
        Assert.False(Assert.Single(queue[0].Published.OfType<QueueTokenRevoked>()).Left);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Confirmed_AfterThePassHasExpired_StillEndsIt(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var token = await queue.EnterAsync("mina");
        await queue.TickAsync();
        await queue.ClaimAsync("mina", token);
        queue.Clock.Advance(TimeSpan.FromSeconds(130));
        await queue.TickAsync();
        Assert.Equal(QueueEntryStatus.Expired, (await queue.RowAsync(token)).Status);

        await queue.CompleteAsync(token);

        Assert.Equal(QueueEntryStatus.Completed, (await queue.RowAsync(token)).Status);
        Assert.Equal(token.TokenId, (await queue.SnapshotAsync()).Revocations.Single().TokenId);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Token_OfAnotherCustomerOrMissing_IsRefused(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        var token = await queue.EnterAsync("mina");
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Delete })
        {
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina"), 400, "QUEUE_TOKEN_MISSING");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "noor", token), 401, "QUEUE_TOKEN_INVALID");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina", token with { ConcertId = 2 }), 401,
                "QUEUE_TOKEN_INVALID");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina", token with { ConcertId = 99 }), 401,
                "QUEUE_TOKEN_INVALID");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina",
                token with { TokenId = Guid.CreateVersion7() }), 401, "QUEUE_TOKEN_INVALID");
        }
        Assert.Equal(0, (await queue.RoomAsync()).Sequence);
        Assert.Equal(HttpStatusCode.NotFound, (await queue[0].Stranger.GetAsync("/internal/queue/snapshot")).StatusCode);
    }
}
