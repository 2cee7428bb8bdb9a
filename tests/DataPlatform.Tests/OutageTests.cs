using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.Time.Testing;
using Polly.CircuitBreaker;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>The platform is away for long, or answers nothing but errors.</summary>
public sealed class OutageTests(PostgreSqlServer server)
{
    private static readonly (string Key, string Value)[] Sensitive =
        [("DataPlatform:BreakerMinimum", "4"), ("DataPlatform:BreakerSampling", "00:02:00"), ("DataPlatform:BreakerPause", "00:02:00")];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Outage_OfManyHours_EndsWithEverythingDeliveredInOrder(DatabaseProvider provider)
    {
        const int minutes = 500;
        var clock = new FakeTimeProvider(RelayUnderTest.Now);
        await using var relay = await RelayUnderTest.StartAsync(provider, server, clock: clock, settings: Sensitive);
        relay.Platform.AnswerWith(503);
        var told = new List<ReservationConfirmed>();
        var states = new HashSet<CircuitState>();
        for (var minute = 0; minute < minutes; minute++)
        {
            told.AddRange(await relay.HearAsync(3));
            if (minute % 10 == 9)
                await relay.HearAsync(RelayUnderTest.Cancelled(told[^20]));
            await relay.PumpAsync();
            states.Add(await BreakerAsync(relay));
            clock.Advance(TimeSpan.FromMinutes(1));
        }

        // The first few, and then one every two minutes at most.
        Assert.Contains(CircuitState.Open, states);
        Assert.InRange(relay.Platform.Arrivals.Count, minutes / 3, (minutes / 2) + 20);
        var rows = await relay.RowsAsync();
        Assert.Equal((3 * minutes) + (minutes / 10), rows.Count);
        Assert.All(rows, row => Assert.Equal(DeliveryStatus.Pending, row.Status));
        Assert.True(rows.Count(row => row.Attempts == 0) > rows.Count * 3 / 4, "waiting has used attempts up");
        Assert.True(rows.TrueForAll(row => row.Attempts < 9), "some were tried too often");

        var before = relay.Platform.Arrivals.Count;
        relay.Platform.AnswerWith(200);
        for (var minute = 0; minute < 120 && (await relay.RowsAsync()).Exists(row => row.Status != DeliveryStatus.Delivered); minute++)
        {
            clock.Advance(TimeSpan.FromMinutes(10));
            await relay.PumpAsync();
        }

        Assert.Equal(CircuitState.Closed, await BreakerAsync(relay));
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
        Assert.Equal(rows.Count, relay.Platform.Arrivals.Count - before);
        Assert.Equal(rows.Select(row => row.DeliveryId).Order(), relay.Platform.Arrivals.Skip(before).Select(arrival => arrival.Id).Order());
        // Whatever was sent more than once is the same each time, but for the time it was sent at and signed with.
        Assert.Equal(rows.Count, relay.Platform.Arrivals.DistinctBy(arrival => (arrival.Id, arrival.Body)).Count());
        OrderTests.InOrder(relay.Platform);
        var times = (await relay.AttemptsAsync()).ToLookup(attempt => attempt.DeliveryId, attempt => attempt.At);
        foreach (var arrival in relay.Platform.Arrivals)
        {
            var sent = DateTimeOffset.FromUnixTimeSeconds(arrival.Timestamp);
            Assert.Contains(sent, times[arrival.Id]);
            Platform.IsSigned(arrival, RelayUnderTest.Secret, sent);
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Failures_OneAfterTheOther_FollowTheScheduleUntilBothLimitsAreReached(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, settings: ("DataPlatform:AttemptsKept", "5"));
        relay.Platform.AnswerWith(500);
        await relay.HearAsync(40);
        for (var rounds = 0; rounds < 2_000; rounds++)
        {
            await relay.PumpAsync();
            var pending = (await relay.RowsAsync()).FindAll(row => row.Status == DeliveryStatus.Pending);
            foreach (var row in pending)
            {
                var longest = RetrySchedule.Longest[Math.Min(row.Attempts, 8)];
                Assert.InRange(row.NextAttemptAt, relay.Clock.GetUtcNow(), relay.Clock.GetUtcNow() + longest);
            }
            if (pending.Count == 0)
                break;
            relay.Clock.Advance(pending.Min(row => row.NextAttemptAt) - relay.Clock.GetUtcNow());
        }

        var rows = await relay.RowsAsync();
        Assert.All(rows, row =>
        {
            Assert.Equal(DeliveryStatus.Dead, row.Status);
            Assert.True(row.Attempts >= 9 && row.CompletedAt >= row.CreatedAt.AddDays(1), "one limit was not reached");
            Assert.True(row.CompletedAt <= row.CreatedAt.AddDays(1).AddHours(10), "it took longer than a day and the longest wait");
        });
        // Not all at once.
        Assert.True(rows.DistinctBy(row => row.CompletedAt).Count() > 35, "there is no jitter");
        var attempts = (await relay.AttemptsAsync()).ToLookup(attempt => attempt.DeliveryId);
        Assert.All(rows, row => Assert.Equal(Enumerable.Range(row.Attempts - 4, 5), attempts[row.DeliveryId].Select(attempt => attempt.Number)));
        Assert.True(relay.Platform.Arrivals.Count == rows.Sum(row => row.Attempts));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 5)]
    [InlineData(2, 30)]
    [InlineData(3, 120)]
    [InlineData(4, 600)]
    [InlineData(5, 1_800)]
    [InlineData(6, 7_200)]
    [InlineData(7, 18_000)]
    [InlineData(8, 36_000)]
    [InlineData(9, 36_000)]
    [InlineData(50, 36_000)]
    public void Wait_AfterAFailure_IsAnyTimeUpToTheLongest(int attempts, int seconds)
    {
        var waits = Enumerable.Range(0, 2_000).Select(_ => RetrySchedule.Wait(attempts, null, TimeSpan.FromHours(1)).TotalSeconds).ToList();
        Assert.All(waits, wait => Assert.InRange(wait, 0, seconds));
        Assert.InRange(waits.Average(), seconds * 0.45, seconds * 0.55);
        Assert.True(seconds == 0 || (waits.Min() < seconds * 0.05 && waits.Max() > seconds * 0.95), "not all of the time is used");
    }

    [Theory]
    [InlineData(8, 48, false)]
    [InlineData(9, 23, false)]
    [InlineData(9, 24, true)]
    [InlineData(30, 23, false)]
    [InlineData(30, 25, true)]
    [InlineData(1, 200, false)]
    public void Limits_OfCountAndAge_MustBothBeReached(int attempts, int hours, bool expected) =>
        Assert.Equal(expected, RetrySchedule.IsOver(attempts, TimeSpan.FromHours(hours), new DataPlatformOptions()));

    [Theory]
    [InlineData(400, CircuitState.Closed)]
    [InlineData(425, CircuitState.Closed)]
    [InlineData(302, CircuitState.Closed)]
    [InlineData(408, CircuitState.Open)]
    [InlineData(429, CircuitState.Open)]
    [InlineData(500, CircuitState.Open)]
    [InlineData(0, CircuitState.Open)]
    public async Task Breaker_ByAnswer_OpensOrStaysClosed(int status, CircuitState expected)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, settings: [.. Sensitive, ("DataPlatform:Concurrency", "1")]);
        relay.Platform.AnswerWith(status);
        if (status == 0)
        {
            relay.Platform.Answer = (_, context) =>
            {
                context.Abort();
                return Task.CompletedTask;
            };
        }
        await relay.HearAsync(12);

        await relay.PumpAsync();

        Assert.Equal(expected, await BreakerAsync(relay));
        var rows = await relay.RowsAsync();
        // What was taken when it opened went back as it was.
        Assert.Equal(expected == CircuitState.Open ? 4 : 12, rows.Sum(row => row.Attempts));
        Assert.All(rows, row => Assert.Null(row.LeaseId));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Breaker_WhileOpen_LetsOneTryAfterEachPause(DatabaseProvider provider)
    {
        var clock = new FakeTimeProvider(RelayUnderTest.Now);
        await using var relay = await RelayUnderTest.StartAsync(provider, server, clock: clock, settings: Sensitive);
        relay.Platform.AnswerWith(503);
        await relay.HearAsync(40);
        await relay.PumpAsync();
        var before = relay.Platform.Arrivals.Count;
        Assert.InRange(before, 4, 32);

        clock.Advance(TimeSpan.FromSeconds(119));
        Assert.Equal(0, await relay.PumpAsync());
        for (var trial = 1; trial <= 3; trial++)
        {
            clock.Advance(TimeSpan.FromMinutes(trial == 1 ? 0.05 : 2));
            Assert.Equal(1, await relay.PumpAsync());
            Assert.Equal(before + trial, relay.Platform.Arrivals.Count);
            Assert.Equal(CircuitState.Open, await BreakerAsync(relay));
        }
        relay.Platform.AnswerWith(204);
        clock.Advance(TimeSpan.FromMinutes(2));
        await relay.PumpAsync();
        clock.Advance(TimeSpan.FromMinutes(10));
        await relay.PumpAsync();
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Relay_RunningByItself_GoesOnWhenThePlatformIsBack(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2, isLive: true,
            settings: [("DataPlatform:BreakerMinimum", "4"), ("DataPlatform:BreakerSampling", "00:00:05"), ("DataPlatform:BreakerPause", "00:00:00.5"), ("DataPlatform:PollInterval", "00:00:00.1")]);
        relay.Platform.AnswerWith(503);
        await relay.HearAsync(60);
        await Eventually.TrueAsync(async () => await BreakerAsync(relay) == CircuitState.Open, RelayUnderTest.Limit, "the breaker opens");
        relay.Platform.AnswerWith(200);

        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).TrueForAll(row => row.Status == DeliveryStatus.Delivered), RelayUnderTest.Limit, "everything is delivered");
        Assert.Equal(60, relay.Platform.Arrivals.DistinctBy(arrival => arrival.Id).Count());
    }

    private static Task<CircuitState> BreakerAsync(RelayUnderTest relay) => relay.WithAsync<Breaker, CircuitState>(breaker => Task.FromResult(breaker.State));
}
