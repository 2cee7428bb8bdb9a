using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>Long outages of the platform, and how the breaker reacts to errors.</summary>
public sealed class OutageTests(PostgreSqlServer server)
{
    private static readonly (string Key, string Value)[] Sensitive =
        [("DataPlatform:BreakerMinimum", "4"), ("DataPlatform:BreakerSampling", "00:02:00"), ("DataPlatform:BreakerPause", "00:02:00"),
            ("DataPlatform:BreakerMaxPause", "00:02:00")];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Outage_OfManyHours_EndsWithEverythingDeliveredInOrder(DatabaseProvider provider)
    {
        const int minutes = 500;
        var clock = new FakeTimeProvider(RelayUnderTest.Now);
        await using var relay = await RelayUnderTest.StartAsync(provider, server, clock: clock, settings: Sensitive);
        relay.Platform.AnswerWith(503);
        var received = new List<ReservationConfirmed>();
        var states = new HashSet<BreakerState>();
        for (var minute = 0; minute < minutes; minute++)
        {
            received.AddRange(await relay.ReceiveAsync(3));
            if (minute % 10 == 9)
                await relay.ReceiveAsync(RelayUnderTest.Cancelled(received[^20]));
            await relay.SendDueAsync();
            states.Add(await BreakerAsync(relay));
            clock.Advance(TimeSpan.FromMinutes(1));
        }

        // The first few requests, and then at most one every two minutes.
        Assert.Contains(BreakerState.Open, states);
        Assert.InRange(relay.Platform.Arrivals.Count, minutes / 3, (minutes / 2) + 20);
        var rows = await relay.RowsAsync();
        Assert.Equal((3 * minutes) + (minutes / 10), rows.Count);
        Assert.All(rows, row => Assert.Equal(DeliveryStatus.Pending, row.Status));
        Assert.True(rows.Count(row => row.Attempts == 0) > rows.Count * 3 / 4, "waiting has used up attempts");
        Assert.True(rows.TrueForAll(row => row.Attempts < 9), "some deliveries were attempted too often");

        var before = relay.Platform.Arrivals.Count;
        relay.Platform.AnswerWith(200);
        for (var minute = 0; minute < 120 && (await relay.RowsAsync()).Exists(row => row.Status != DeliveryStatus.Delivered); minute++)
        {
            clock.Advance(TimeSpan.FromMinutes(10));
            await relay.SendDueAsync();
        }

        Assert.Equal(BreakerState.Closed, await BreakerAsync(relay));
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
        Assert.Equal(rows.Count, relay.Platform.Arrivals.Count - before);
        Assert.Equal(rows.Select(row => row.DeliveryId).Order(),
            relay.Platform.Arrivals.Skip(before).Select(arrival => arrival.Id).Order());
        // Repeats have the same body; only the timestamp and the signature differ.
        Assert.Equal(rows.Count, relay.Platform.Arrivals.DistinctBy(arrival => (arrival.Id, arrival.Body)).Count());
        relay.Platform.AssertInOrder();
        var times = (await relay.AttemptsAsync()).ToLookup(attempt => attempt.DeliveryId, attempt => attempt.At);
        foreach (var arrival in relay.Platform.Arrivals)
        {
            var sent = DateTimeOffset.FromUnixTimeSeconds(arrival.Timestamp);
            Assert.Contains(sent, times[arrival.Id]);
            Platform.AssertSigned(arrival, RelayUnderTest.Secret, sent);
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Failures_OfSomeWhileOthersSucceed_FollowTheScheduleUntilBothLimitsAreReached(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, settings: ("DataPlatform:AttemptsKept", "5"));
        var poisonous = (await relay.ReceiveAsync(40)).ConvertAll(confirmed => confirmed.ReservationId).ToHashSet();
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = poisonous.Contains(arrival.ReservationId) ? 500 : 200;
            return Task.CompletedTask;
        };
        for (var rounds = 0; rounds < 2_000; rounds++)
        {
            await relay.SendDueAsync();
            var pending = (await relay.RowsAsync()).FindAll(row => row.Status == DeliveryStatus.Pending);
            foreach (var row in pending)
            {
                var maxWait = RetrySchedule.MaxWait(Math.Max(1, row.Attempts - row.AttemptsBefore));
                Assert.InRange(row.NextAttemptAt, relay.Clock.GetUtcNow(), relay.Clock.GetUtcNow() + maxWait);
            }
            if (pending.Count == 0)
                break;
            relay.Clock.Advance((pending.Min(row => row.NextAttemptAt) - relay.Clock.GetUtcNow()) / 2);
            await relay.ReceiveAsync();
            await relay.SendDueAsync();
            relay.Clock.Advance(pending.Min(row => row.NextAttemptAt) - relay.Clock.GetUtcNow());
        }

        var rows = (await relay.RowsAsync()).FindAll(row => poisonous.Contains(row.ReservationId));
        Assert.All(rows, row =>
        {
            Assert.Equal(DeliveryStatus.Dead, row.Status);
            // The first failure does not count, because it may be the destination's fault.
            Assert.Equal(1, row.AttemptsBefore);
            Assert.True(row.Attempts >= 10 && row.CompletedAt >= row.CreatedAt.AddDays(1), "a limit was not reached");
            Assert.True(row.CompletedAt <= row.CreatedAt.AddDays(1).AddHours(10).AddSeconds(5),
                "it took longer than a day plus the longest wait");
        });
        Assert.True(rows.DistinctBy(row => row.CompletedAt).Count() > 35, "there is no jitter");
        var attempts = (await relay.AttemptsAsync()).ToLookup(attempt => attempt.DeliveryId);
        Assert.All(rows, row => Assert.Equal(Enumerable.Range(row.Attempts - 4, 5),
            attempts[row.DeliveryId].Select(attempt => attempt.Number)));
        Assert.Equal(rows.Sum(row => row.Attempts), relay.Platform.Arrivals.Count(arrival => poisonous.Contains(arrival.ReservationId)));
    }

    [Theory]
    [InlineData(400, false)]
    [InlineData(422, false)]
    [InlineData(425, false)]
    [InlineData(302, true)]
    [InlineData(401, true)]
    [InlineData(403, true)]
    [InlineData(404, true)]
    [InlineData(405, true)]
    [InlineData(407, true)]
    [InlineData(408, true)]
    [InlineData(500, true)]
    [InlineData(0, true)]
    public async Task Breaker_ByAnswer_OpensOrStaysClosed(int status, bool opens)
    {
        var expected = opens ? BreakerState.Open : BreakerState.Closed;
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server,
            settings: [.. Sensitive, ("DataPlatform:Concurrency", "1")]);
        relay.Platform.AnswerWith(status);
        if (status == 0)
        {
            relay.Platform.Answer = (_, context) =>
            {
                context.Abort();
                return Task.CompletedTask;
            };
        }
        await relay.ReceiveAsync(12);

        await relay.SendDueAsync();

        Assert.Equal(expected, await BreakerAsync(relay));
        var rows = await relay.RowsAsync();
        // Rows that were leased when it opened were returned unsent.
        Assert.Equal(expected == BreakerState.Open ? 4 : 12, rows.Sum(row => row.Attempts));
        Assert.All(rows, row => Assert.Null(row.LeaseId));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Breaker_WhileOpen_AllowsOneTrialAfterEachPause(DatabaseProvider provider)
    {
        var clock = new FakeTimeProvider(RelayUnderTest.Now);
        await using var relay = await RelayUnderTest.StartAsync(provider, server, clock: clock, settings: Sensitive);
        relay.Platform.AnswerWith(503);
        await relay.ReceiveAsync(40);
        await relay.SendDueAsync();
        var before = relay.Platform.Arrivals.Count;
        Assert.InRange(before, 4, 32);

        clock.Advance(TimeSpan.FromSeconds(119));
        Assert.Equal(0, await relay.SendDueAsync());
        for (var trial = 1; trial <= 3; trial++)
        {
            clock.Advance(TimeSpan.FromMinutes(trial == 1 ? 0.05 : 2));
            Assert.Equal(1, await relay.SendDueAsync());
            Assert.Equal(before + trial, relay.Platform.Arrivals.Count);
            Assert.Equal(BreakerState.Open, await BreakerAsync(relay));
        }
        relay.Platform.AnswerWith(204);
        clock.Advance(TimeSpan.FromMinutes(2));
        await relay.SendDueAsync();
        clock.Advance(TimeSpan.FromMinutes(10));
        await relay.SendDueAsync();
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task LiveRelay_AfterAnOutage_DeliversEverything(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2, isLive: true,
            settings: [("DataPlatform:BreakerMinimum", "4"), ("DataPlatform:BreakerSampling", "00:00:05"),
                ("DataPlatform:BreakerPause", "00:00:00.5"), ("DataPlatform:PollInterval", "00:00:00.1")]);
        relay.Platform.AnswerWith(503);
        await relay.ReceiveAsync(60);
        await Eventually.TrueAsync(async () => await BreakerAsync(relay) == BreakerState.Open, RelayUnderTest.Limit, "the breaker opens");
        relay.Platform.AnswerWith(200);

        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).TrueForAll(row => row.Status == DeliveryStatus.Delivered),
            RelayUnderTest.Limit, "everything is delivered");
        Assert.Equal(60, relay.Platform.Arrivals.DistinctBy(arrival => arrival.Id).Count());
    }

    private static Task<BreakerState> BreakerAsync(RelayUnderTest relay) =>
        relay.WithAsync<Breaker, BreakerState>(breaker => Task.FromResult(breaker.State));
}
