using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Queue.Tokens;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Tokens;

public sealed class KeyRingTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Tokens_CheckedWithTheSnapshot_AreValidOnlyForTheirKind(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var waiting = await queue.EnterAsync("mina");
        await queue.TickAsync();
        var pass = await queue.ClaimAsync("mina", waiting);
        var snapshot = await queue.SnapshotAsync();

        Assert.True((await TokenReader.CheckAsync(waiting.Token, QueueTokenKind.Waiting, snapshot, Now)).IsValid);
        Assert.True((await TokenReader.CheckAsync(pass.Token, QueueTokenKind.Pass, snapshot, Now)).IsValid);
        Assert.False((await TokenReader.CheckAsync(waiting.Token, QueueTokenKind.Pass, snapshot, Now)).IsValid);
        Assert.False((await TokenReader.CheckAsync(pass.Token, QueueTokenKind.Waiting, snapshot, Now)).IsValid);

        var claims = TokenReader.ClaimsOf(waiting.Token);
        Assert.Equal((waiting.TokenId.ToString(), "mina", "1", "1"),
            ((string)claims["jti"], (string)claims["sub"], (string)claims["concert"], (string)claims["number"]));
        Assert.Equal($"{Now.AddDays(1).ToUnixTimeSeconds()}", claims["exp"]);
        claims = TokenReader.ClaimsOf(pass.Token);
        Assert.Equal((waiting.TokenId.ToString(), "mina", "1"), ((string)claims["jti"], (string)claims["sub"], (string)claims["concert"]));
        Assert.Equal($"{Now.AddMinutes(2).ToUnixTimeSeconds()}", claims["bookUntil"]);
        // Payment stays possible for the hold duration and a minute.
        Assert.Equal($"{Now.AddMinutes(8).ToUnixTimeSeconds()}", claims["exp"]);
        Assert.DoesNotContain("number", claims.Keys);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Snapshot_BeforeTheFirstKeys_CreatesThem(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.ReadAsync(database => database.Keys.ExecuteDeleteAsync());

        var snapshot = await queue.SnapshotAsync();

        Assert.Equal([QueueTokenKind.Waiting, QueueTokenKind.Pass], snapshot.Keys.Select(key => key.Kind).Order());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Rotation_HourByHour_AnnouncesKeysEarlyAndKeepsOldTokensValid(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2, ("Queue:KeyRotation", "01:00:00"));
        var old = await queue.EnterAsync("first");
        var used = new HashSet<string> { TokenReader.KidOf(old.Token) };
        // Each token must be valid with the snapshot from four minutes earlier.
        var announced = await queue.SnapshotAsync();
        for (var i = 0; i < 100; i++)
        {
            queue.Clock.Advance(TimeSpan.FromMinutes(4));
            await Task.WhenAll(RefreshAsync(queue, 0), RefreshAsync(queue, 1));
            if (i % 5 == 0)
            {
                var token = await queue.EnterAsync($"user-{i}", replica: i % 2);
                Assert.True((await TokenReader.CheckAsync(
                    token.Token, QueueTokenKind.Waiting, announced, queue.Clock.GetUtcNow())).IsValid);
                used.Add(TokenReader.KidOf(token.Token));
            }
            announced = await queue.SnapshotAsync(i % 2);
            if (queue.Clock.GetUtcNow() < old.ExpiresAt)
                Assert.True((await TokenReader.CheckAsync(old.Token, QueueTokenKind.Waiting, announced, queue.Clock.GetUtcNow())).IsValid);
        }
        Assert.InRange(used.Count, 7, 8);

        // The snapshot omits expired keys.
        queue.Clock.Advance(TimeSpan.FromDays(3));
        await RefreshAsync(queue, 0);
        Assert.Equal(2, (await queue.SnapshotAsync()).Keys.Length);
        Assert.DoesNotContain((await queue.SnapshotAsync()).Keys, key => used.Contains(key.Kid));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Keys_OfReplicasThatStartTogether_AreCreatedOnce(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => RefreshAsync(queue, i % 2)));
        var tokens = await Task.WhenAll(queue.EnterAsync("mina", replica: 0), queue.EnterAsync("noor", replica: 1));

        Assert.Equal([QueueTokenKind.Pass, QueueTokenKind.Waiting],
            (await queue.SnapshotAsync()).Keys.Select(key => key.Kind).Order().Reverse());
        Assert.Single(tokens.Select(token => TokenReader.KidOf(token.Token)).Distinct());
    }

    private static Task RefreshAsync(QueueUnderTest queue, int replica) =>
        queue.WithAsync<KeyRing>(keys => keys.RefreshAsync(CancellationToken.None), replica);
}
