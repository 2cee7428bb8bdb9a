using System.Net;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Admission;

public sealed class AdmissionLoopTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_Repeated_AdmitsBatchesUpToTheCapacity(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var tokens = await queue.EnterManyAsync(5);

        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
        // A message that waits longer than three seconds is dropped, so it must be published before the clock moves.
        await IsPublishedAsync(2);
        // The interval is not over.
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync()).Serving);
        queue.Clock.Advance(Interval);
        await queue.TickAsync();
        queue.Clock.Advance(Interval);
        await queue.TickAsync();

        // There are only three slots.
        Assert.Equal((3L, 2L), ((await queue.RoomAsync()).Serving, (await queue.RoomAsync()).Sequence));
        Assert.Equal("1 1 1 1 2", string.Join(' ', await PositionsAsync(queue, tokens)));
        Assert.Equal(Now.AddSeconds(60), (await queue.RowAsync(tokens[0])).ClaimUntil);
        await IsPublishedAsync(2, 3);

        Task IsPublishedAsync(params long[] serving) => Eventually.TrueAsync(
            () => queue[0].Published.OfType<QueueAdvanced>().Select(message => message.Serving).Distinct().SequenceEqual(serving),
            TimeSpan.FromSeconds(60), $"{string.Join(" and ", serving)} are published");
    }

    /// <summary>A replica that the orchestrator's reports do not reach must not use up the tick of the others.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_OfASuspendedReplica_LeavesTheAdmissionToTheOther(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        await queue.EnterManyAsync(5);
        queue.Clock.Advance(TimeSpan.FromSeconds(20));

        await queue.TickWithoutReportAsync(replica: 0);
        Assert.Equal(0, (await queue.RoomAsync()).Serving);
        await queue.TickAsync(replica: 1);
        Assert.Equal(2, (await queue.RoomAsync()).Serving);

        // Without a customer who could be admitted, it still ends unclaimed offers.
        queue.Clock.Advance(TimeSpan.FromSeconds(70));
        await queue.TickWithoutReportAsync(replica: 0);
        Assert.Equal([QueueEntryStatus.Expired, QueueEntryStatus.Expired], (await queue.RowsAsync()).Take(2).Select(row => row.Status));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_BeforeTheSaleAndAfter_AdmitsNoCustomer(DatabaseProvider provider)
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
        // Admission begins at the opening, not an interval after the last tick.
        queue.Clock.Advance(TimeSpan.FromSeconds(2));
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync(2)).Serving);
        queue.Clock.Advance(Interval);
        await queue.TickAsync();
        Assert.Equal(2, (await queue.RoomAsync(2)).Serving);
        Assert.Equal(QueueAdmission.Closed, (await queue.SnapshotAsync()).Concerts.Single(room => room.ConcertId == 2).Admission);
        // Open offers stay valid.
        Assert.Equal("Active", (await queue.ClaimAsync("mina", token)).Status);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_WhileBookingIsClosed_AdmitsNoCustomerAndContinuesLater(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.EnterManyAsync(3);

        await queue.TickWithoutReportAsync();
        await AssertAsync(0, QueueAdmission.Suspended);
        queue.Report(new BookingReported(false, 0, queue.Clock.GetUtcNow()));
        queue.Clock.Advance(Interval);
        await queue.TickWithoutReportAsync();
        await AssertAsync(0, QueueAdmission.Suspended);

        queue.Report(new BookingReported(true, 1_001, queue.Clock.GetUtcNow()));
        queue.Clock.Advance(TimeSpan.FromSeconds(4));
        await queue.TickWithoutReportAsync();
        await AssertAsync(0, QueueAdmission.Suspended);

        // An old report does not count.
        queue.Report(new BookingReported(true, 0, Now.AddMinutes(-1)));
        await AssertAsync(0, QueueAdmission.Suspended);
        queue.Clock.Advance(Interval);
        queue.Report(new BookingReported(true, 1_000, queue.Clock.GetUtcNow()));
        await queue.TickWithoutReportAsync();
        await AssertAsync(2, QueueAdmission.Open);
        queue.Clock.Advance(Interval);
        await queue.TickWithoutReportAsync();
        await AssertAsync(2, QueueAdmission.Suspended);

        async Task AssertAsync(long serving, QueueAdmission admission)
        {
            Assert.Equal(serving, (await queue.RoomAsync()).Serving);
            Assert.Equal(admission, (await queue.SnapshotAsync()).Concerts.Single().Admission);
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_WhenTheRestHasLeft_MakesTheNextCustomerFirst(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var tokens = await queue.EnterManyAsync(4);
        await queue.TickAsync();
        foreach (var i in new[] { 2, 3 })
            Assert.Equal(HttpStatusCode.NoContent, (await queue.LeaveAsync($"user-{i + 1}", tokens[i])).StatusCode);

        queue.Clock.Advance(Interval);
        await queue.TickAsync();

        Assert.Equal(4, (await queue.RoomAsync()).Serving);
        Assert.Equal((1, 0L), ((await queue.EnterAsync("late")).Position,
            (await queue.EnterAsync("late", expected: HttpStatusCode.OK)).PeopleAhead));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Tick_OfTwoReplicasAtOnce_AdmitsOneBatch(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2, settings: ("Queue:Capacity", "50"));
        await queue.EnterManyAsync(40);

        for (var round = 1; round <= 10; round++)
        {
            await Task.WhenAll(queue.TickAsync(0), queue.TickAsync(1), queue.TickAsync(0), queue.TickAsync(1));
            Assert.Equal(2 * round, (await queue.RoomAsync()).Serving);
            queue.Clock.Advance(Interval);
        }
        Assert.Equal(10, (await queue.RoomAsync()).Sequence);
    }

    [Fact]
    public async Task Rate_WhileSlotsAreTaken_FallsToTheMinimum()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server, settings: ("Queue:PassLifetime", "00:01:55"));
        await queue.EnterManyAsync(50);
        Assert.Equal(0.4, await RateAsync(), 3);

        for (var i = 0; i < 3; i++)
        {
            await queue.TickAsync();
            queue.Clock.Advance(Interval);
        }
        Assert.InRange(await RateAsync(), 0.3, 0.4);
        // Three slots, each taken for two minutes.
        for (var i = 0; i < 100; i++)
        {
            await queue.TickAsync();
            queue.Clock.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.InRange(await RateAsync(), 3 / 120.0, 0.2);

        async Task<double> RateAsync() => (await queue.SnapshotAsync()).Concerts.Single().Rate;
    }

    private static async Task<long[]> PositionsAsync(QueueUnderTest queue, QueueTokenView[] tokens)
    {
        var serving = (await queue.RoomAsync()).Serving;
        var rows = await queue.RowsAsync();
        return [.. tokens.Select(token => Math.Max(1, rows.Single(row => row.TokenId == token.TokenId).Number - serving))];
    }
}
