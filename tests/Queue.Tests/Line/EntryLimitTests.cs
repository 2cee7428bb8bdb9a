using System.Net;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Line;

/// <summary>Customers who enter and leave in a loop cost others nothing and leave a bounded number of rows.</summary>
public sealed class EntryLimitTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Newcomer_AfterALoop_IsFirstInLine(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        // Ten times a second for 25 seconds. The room is suspended, because no report has arrived.
        var refused = 0;
        for (var round = 0; round < 250; round++)
        {
            using var answer = await queue.TryEnterAsync("looper");
            if (answer.StatusCode == HttpStatusCode.TooManyRequests)
                refused++;
            else
                await LeaveAsync(queue, "looper");
            queue.Clock.Advance(TimeSpan.FromMilliseconds(100));
        }
        Assert.Equal(245, refused);
        // More customers do the same.
        for (var user = 0; user < 20; user++)
        {
            for (var round = 0; round < 5; round++)
            {
                await queue.EnterAsync($"other-{user}");
                await LeaveAsync(queue, $"other-{user}");
            }
        }
        queue.Report(new Contracts.Reservations.BookingReported(true, 0, queue.Clock.GetUtcNow()));

        var newcomer = await queue.EnterAsync("noor");

        Assert.Equal((1L, 0L, QueueAdmission.Open), (newcomer.Position, newcomer.PeopleAhead, newcomer.Admission));
        Assert.Equal(new WaitRange(2, 4), newcomer.EstimatedWaitSeconds);
        var room = (await queue.SnapshotAsync()).Concerts.Single();
        Assert.Equal((0L, 1L), (room.PeopleBefore(newcomer.Position + 105), room.PeopleBefore(room.Issued + 1)));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Entry_TooOften_IsRefusedWithASufficientRetryAfter(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);
        for (var round = 0; round < 5; round++)
        {
            await queue.EnterAsync("mina");
            await LeaveAsync(queue, "mina");
            queue.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        using var answer = await queue.TryEnterAsync("mina");
        Assert.Equal("55", answer.Headers.GetValues("Retry-After").Single());
        await RefusedAsync(answer, 429, "TOO_MANY_REQUESTS");
        // The limit affects neither other customers, nor other concerts, nor an existing entry.
        await queue.EnterAsync("noor");
        await queue.EnterAsync("mina", 2);
        await queue.EnterAsync("mina", 2, HttpStatusCode.OK);
        queue.Clock.Advance(TimeSpan.FromSeconds(55));
        await queue.EnterAsync("mina");
    }

    [Fact]
    public void Limit_OverDays_BoundsTheEntriesOfOneCustomer()
    {
        var (entered, now) = (new List<DateTimeOffset>(), Now);
        for (; now < Now.AddDays(3); now = now.AddSeconds(1))
        {
            if (EntryLimit.WaitOf([.. entered.Where(at => at > EntryLimit.OldestAt(now))], now) is not { } wait)
                entered.Add(now);
            else
                now = now + wait - TimeSpan.FromSeconds(2) is var next && next > now ? next : now;
            Assert.InRange(entered.Count(at => at > now.AddMinutes(-1)), 0, 5);
            Assert.InRange(entered.Count(at => at > now.AddHours(-1)), 0, 20);
            Assert.InRange(entered.Count(at => at > now.AddDays(-1)), 0, 60);
        }
        Assert.InRange(entered.Count, 170, 190);
        // Instants from a clock that was a year ahead do not extend the wait.
        Assert.True(EntryLimit.WaitOf([.. Enumerable.Repeat(Now.AddYears(1), 5)], Now) <= TimeSpan.FromMinutes(1));
    }

    /// <summary>An entry that left the line is deleted when its token has expired. Until then gateways get its revocation.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Clean_OfEntriesWithoutAPass_WaitsOnlyForTheirTokens(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.EnterAsync("stays");
        for (var round = 0; round < 3; round++)
        {
            await queue.EnterAsync("mina");
            await LeaveAsync(queue, "mina");
        }

        await CleanAsync();
        Assert.Equal(3, (await queue.SnapshotAsync()).Revocations.Length);
        queue.Clock.Advance(TimeSpan.FromDays(1) + TimeSpan.FromMinutes(2));
        await CleanAsync();

        Assert.Equal(["stays"], (await queue.RowsAsync()).Select(row => row.UserId));
        Assert.Equal(2, (await queue.EnterAsync("noor")).Position);

        Task CleanAsync() => queue.WithAsync<EntryCleaner>(cleaner => cleaner.CleanAsync(CancellationToken.None));
    }

    private static async Task LeaveAsync(QueueUnderTest queue, string user)
    {
        var row = (await queue.RowsAsync()).Last(row => row.UserId == user);
        await queue.WithAsync<EntryUpdater>(entries => entries.LeaveAsync(row.TokenId, row.ConcertId, user, CancellationToken.None));
    }
}
