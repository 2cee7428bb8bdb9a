using System.Net;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Xunit;
using static ConcertSaga.Queue.Tests.QueueUnderTest;

namespace ConcertSaga.Queue.Tests;

public sealed class EndTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Leave_WhileWaiting_IsToldAndThePersonStandsAtTheEnd(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var token = await queue.EnterAsync("mina");
        await queue.EnterAsync("noor");

        Assert.Equal(HttpStatusCode.NoContent, (await queue.LeaveAsync("mina", token)).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await queue.LeaveAsync("mina", token)).StatusCode);

        await RefusedAsync(await queue.PollAsync("mina", token), 410, "QUEUE_TOKEN_REVOKED");
        Assert.Equal(new QueueTokenRevoked(1, 1, token.TokenId, token.ExpiresAt), (await queue.SnapshotAsync()).Revocations.Single());
        await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueAdvanced>().Any(message => message.Sequence == 2), Limit, "it is published");
        Assert.Equal(1, queue[0].Published.OfType<QueueTokenRevoked>().Single().Sequence);
        Assert.All(queue[0].Published.OfType<QueueAdvanced>(), message => Assert.Contains(message.Sequence, new[] { 0L, 2L }));
        var again = await queue.EnterAsync("mina");
        Assert.Equal(3, again.Position);
        Assert.NotEqual(token.TokenId, again.TokenId);
        // One that is expired by itself need not be known any more.
        queue.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Empty((await queue.SnapshotAsync()).Revocations);
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

        // Payment time and a minute more than the pass opens the other routes.
        Assert.Equal(pass.ExpiresAt.AddMinutes(6), (await queue.SnapshotAsync()).Revocations.Single().Exp);
        queue.Clock.Advance(TimeSpan.FromSeconds(4.9));
        await queue.WithAsync<Admissions>(async _ => await queue.TickAsync());
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
        await Eventually.TrueAsync(async () => (await queue.RowAsync(token)).Status == QueueTokenStatus.Completed, Limit, "it is completed");
        await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueTokenRevoked>().Any(), Limit, "it is told before the clock moves");

        await RefusedAsync(await queue.PollAsync("mina", token), 410, "QUEUE_TOKEN_REVOKED");
        await RefusedAsync(await queue.LeaveAsync("mina", token), 410, "QUEUE_TOKEN_REVOKED");
        Assert.Equal(2, (await queue.EnterAsync("mina")).Position);
        queue.Clock.Advance(TimeSpan.FromSeconds(5));
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
        await queue.CompleteAsync(token);
        Assert.Equal((4L, 2L), ((await queue.RoomAsync()).Sequence, (await queue.RowAsync(token)).RevokedSequence));
        await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueAdvanced>().Any(message => message.Sequence == 4), Limit, "all is published");
        Assert.Single(queue[0].Published.OfType<QueueTokenRevoked>());
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
        Assert.Equal(QueueTokenStatus.Expired, (await queue.RowAsync(token)).Status);

        await queue.CompleteAsync(token);

        Assert.Equal(QueueTokenStatus.Completed, (await queue.RowAsync(token)).Status);
        Assert.Equal(token.TokenId, (await queue.SnapshotAsync()).Revocations.Single().TokenId);
    }

    /// <summary>The other replica tells how things are after the one that ended the token died before it could tell anybody.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Crash_BetweenCommitAndPublish_LeavesAGapToBeSeen(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        var token = await queue.EnterAsync("mina");
        await queue.TickAsync();
        await queue.ClaimAsync("mina", token);
        await BeatAsync(1);

        await queue.CompleteAsync(token);
        await BeatAsync(3);

        Assert.Empty(queue[1].Published.OfType<QueueTokenRevoked>());
        Assert.Equal(token.TokenId, (await queue.SnapshotAsync(replica: 1)).Revocations.Single().TokenId);

        async Task BeatAsync(long sequence)
        {
            await queue.WithAsync<Announcements>(announcements => announcements.BeatAsync(CancellationToken.None), replica: 1);
            await Eventually.TrueAsync(() => queue[1].Published.OfType<QueueAdvanced>().LastOrDefault()?.Sequence == sequence, Limit, $"{sequence} is told");
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Heartbeat_OfARoomNobodyIsIn_EndsAfterAMinute(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        await queue.EnterAsync("mina", 2);

        Assert.Equal("1 2", await BeatAsync());
        queue.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("2", await BeatAsync());

        async Task<string> BeatAsync()
        {
            await Task.Yield();
            var at = queue.Clock.GetUtcNow();
            await queue.WithAsync<Announcements>(announcements => announcements.BeatAsync(CancellationToken.None));
            await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueAdvanced>().Any(message => message.At == at && message.ConcertId == 2), Limit, "the last is told");
            return string.Join(' ', queue[0].Published.OfType<QueueAdvanced>().Where(message => message.At == at).Select(message => message.ConcertId).Distinct());
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Token_OfSomebodyElseOrMissing_IsRefused(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        var token = await queue.EnterAsync("mina");
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Delete })
        {
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina"), 400, "QUEUE_TOKEN_MISSING");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "noor", token), 401, "QUEUE_TOKEN_INVALID");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina", token with { ConcertId = 2 }), 401, "QUEUE_TOKEN_INVALID");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina", token with { ConcertId = 99 }), 401, "QUEUE_TOKEN_INVALID");
            await RefusedAsync(await queue.SendAsync(method, "/api/queue/tokens/current", "mina", token with { TokenId = Guid.CreateVersion7() }), 401, "QUEUE_TOKEN_INVALID");
        }
        Assert.Equal(0, (await queue.RoomAsync()).Sequence);
        Assert.Equal(HttpStatusCode.NotFound, (await queue[0].Stranger.GetAsync("/internal/queue/snapshot")).StatusCode);
    }
}
