using System.Net;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Line;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Line;

public sealed class EntryCleanerTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Retention = TimeSpan.FromHours(1);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>The limits count rows, so they would end with the rows of a short lifetime.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Clean_WithAShortLifetime_KeepsWhatTheLimitsCount(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server,
            settings: [("Queue:PlaceLifetime", "00:10:00"), ("Queue:PlaceRetention", "01:00:00")]);
        await queue.LeaveAsync("mina", await queue.EnterAsync("mina"));
        async Task<int> CountAsync()
        {
            await queue.WithAsync<EntryCleaner>(cleaner => cleaner.CleanAsync(CancellationToken.None));
            return (await queue.RowsAsync()).Count;
        }

        queue.Clock.Advance(TimeSpan.FromHours(23));
        Assert.Equal(1, await CountAsync());
        queue.Clock.Advance(TimeSpan.FromHours(2));
        Assert.Equal(0, await CountAsync());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Clean_AfterTheRetention_DeletesOnlyEndedEntries(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server,
            settings:
            [("Queue:PlaceRetention", "01:00:00"), ("Queue:CleaningBatch", "2"), ("Queue:Capacity", "4"), ("Queue:BatchSize", "4")]);
        var tokens = new List<QueueTokenView>();
        foreach (var user in new[] { "bought", "left", "missed", "idle", "gone", "waits", "last" })
            tokens.Add(await queue.EnterAsync(user));
        await queue.TickAsync();
        foreach (var (index, user) in new[] { (0, "bought"), (1, "left"), (3, "idle") })
            tokens[index] = await queue.ClaimAsync(user, tokens[index]);
        await queue.CompleteAsync(tokens[0]);
        await queue.LeaveAsync("left", tokens[1]);
        await queue.LeaveAsync("gone", tokens[4]);
        await queue.PauseAsync();
        // Waiting tokens last a day. A minute later, entries without a pass are deletable.
        queue.Clock.Advance(TimeSpan.FromMinutes(10));
        await queue.TickAsync();
        queue.Clock.Advance(TimeSpan.FromDays(1) + TimeSpan.FromMinutes(1) - TimeSpan.FromMinutes(10));
        Assert.Equal("missed gone waits last", await RemainingAsync());

        queue.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("waits last", await RemainingAsync());

        // An expired token does not end a waiting entry. A customer who bought long ago can enter again.
        var again = await queue.EnterAsync("waits", expected: HttpStatusCode.OK);
        Assert.Equal(tokens[5].TokenId, again.TokenId);
        Assert.Equal(3, (await queue.EnterAsync("bought")).Position);
        await queue.PauseAsync(false);
        await queue.TickAsync();
        Assert.Equal(8, (await queue.RoomAsync()).Serving);
        Assert.Equal("Active", (await queue.ClaimAsync("waits", again)).Status);
        Assert.Equal("waits last bought", await RemainingAsync());

        async Task<string> RemainingAsync()
        {
            await queue.WithAsync<EntryCleaner>(cleaner => cleaner.CleanAsync(CancellationToken.None));
            return string.Join(' ', (await queue.RowsAsync()).Select(row => row.UserId));
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Clean_BeforeTheTokenExpires_KeepsItsRevocation(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:PlaceRetention", "01:00:00"));
        var token = await queue.EnterAsync("mina");
        await queue.TickAsync();
        var pass = await queue.ClaimAsync("mina", token);
        await queue.CompleteAsync(token);
        var exp = (await queue.RowAsync(token)).Exp;
        Assert.True(exp > pass.ExpiresAt);

        queue.Clock.Advance(exp - queue.Clock.GetUtcNow() - TimeSpan.FromSeconds(1));
        await CleanAsync();
        Assert.Equal(token.TokenId, (await queue.SnapshotAsync()).Revocations.Single().TokenId);
        await RefusedAsync(await queue.PollAsync("mina", token), 410, "QUEUE_TOKEN_REVOKED");

        queue.Clock.Advance(Retention + TimeSpan.FromSeconds(2));
        await CleanAsync();
        Assert.Empty(await queue.RowsAsync());
        // A late duplicate of the purchase message changes nothing.
        var sequence = (await queue.RoomAsync()).Sequence;
        var next = await queue.EnterAsync("mina");
        await queue.CompleteAsync(token);
        Assert.Equal((sequence, QueueEntryStatus.Waiting), ((await queue.RoomAsync()).Sequence, (await queue.RowAsync(next)).Status));

        Task CleanAsync() => queue.WithAsync<EntryCleaner>(cleaner => cleaner.CleanAsync(CancellationToken.None));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Clean_LongAfterTheSale_DeletesTheLine(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server,
            settings: [("Queue:PlaceRetention", "01:00:00"), ("Queue:CleaningBatch", "3")]);
        await queue.AddConcertAsync(2, closesIn: TimeSpan.FromHours(2));
        for (var i = 0; i < 7; i++)
            await queue.EnterAsync($"user-{i}", 2);
        await queue.EnterAsync("other");

        queue.Clock.Advance(TimeSpan.FromHours(3));
        await CleanAsync();
        Assert.Equal(7, (await queue.RowsAsync(2)).Count);
        queue.Clock.Advance(TimeSpan.FromSeconds(1));
        await CleanAsync();

        Assert.Empty(await queue.RowsAsync(2));
        Assert.Single(await queue.RowsAsync());
        // If the sale opens again, numbers are not reused.
        await queue.AddConcertAsync(2);
        await queue.EnterAsync("user-1", 2);
        Assert.Equal(8, (await queue.RowsAsync(2)).Single().Number);

        Task CleanAsync() => queue.WithAsync<EntryCleaner>(cleaner => cleaner.CleanAsync(CancellationToken.None));
    }
}
