using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Gateways;

public sealed class RoomHeartbeatTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>The other replica announces the room after the one that ended the token crashed before publishing.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Crash_BetweenCommitAndPublish_LeavesAVisibleGap(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        var token = await queue.EnterAsync("mina");
        await queue.TickAsync();
        await queue.ClaimAsync("mina", token);
        await AnnounceAsync(1);

        await queue.CompleteAsync(token);
        await AnnounceAsync(3);

        Assert.Empty(queue[1].Published.OfType<QueueTokenRevoked>());
        Assert.Equal(token.TokenId, (await queue.SnapshotAsync(replica: 1)).Revocations.Single().TokenId);

        async Task AnnounceAsync(long sequence)
        {
            await queue.WithAsync<RoomHeartbeat>(heartbeat => heartbeat.RunOnceAsync(CancellationToken.None), replica: 1);
            await Eventually.TrueAsync(() => queue[1].Published.OfType<QueueAdvanced>().LastOrDefault()?.Sequence == sequence, Limit,
                $"sequence {sequence} is published");
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Heartbeat_OfAnEmptyRoom_EndsAfterAMinute(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        await queue.EnterAsync("mina", 2);

        Assert.Equal("1 2", await AnnounceAsync());
        queue.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("2", await AnnounceAsync());

        async Task<string> AnnounceAsync()
        {
            await Task.Yield();
            var at = queue.Clock.GetUtcNow();
            await queue.WithAsync<RoomHeartbeat>(heartbeat => heartbeat.RunOnceAsync(CancellationToken.None));
            await Eventually.TrueAsync(() => queue[0].Published.OfType<QueueAdvanced>()
                .Any(message => message.At == at && message.ConcertId == 2), Limit, "room 2 is announced");
            return string.Join(' ', queue[0].Published.OfType<QueueAdvanced>().Where(message => message.At == at)
                .Select(message => message.ConcertId).Distinct());
        }
    }
}
