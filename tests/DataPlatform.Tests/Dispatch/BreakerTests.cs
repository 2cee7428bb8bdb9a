using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>A fault of the destination ends no delivery, and a fault of one delivery delays no other.</summary>
public sealed class BreakerTests(PostgreSqlServer server)
{
    // With these limits, the first counted failure ends a delivery.
    private static readonly (string Key, string Value)[] Strict =
        [("DataPlatform:BreakerMinimum", "10"), ("DataPlatform:MaxAttempts", "1"), ("DataPlatform:MaxAge", "00:00:00")];

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory]
    [InlineData(DatabaseProvider.Sqlite, 401)]
    [InlineData(DatabaseProvider.PostgreSql, 401)]
    [InlineData(DatabaseProvider.Sqlite, 403)]
    [InlineData(DatabaseProvider.Sqlite, 404)]
    [InlineData(DatabaseProvider.Sqlite, 405)]
    [InlineData(DatabaseProvider.Sqlite, 302)]
    [InlineData(DatabaseProvider.Sqlite, 500)]
    [InlineData(DatabaseProvider.Sqlite, 0)]
    public async Task Fault_OfTheDestinationForAMinute_EndsNoDeliveryAndCausesFewRequests(DatabaseProvider provider, int status)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, settings: Strict);
        relay.Platform.AnswerWith(status);
        if (status == 0)
        {
            relay.Platform.Answer = (_, context) =>
            {
                context.Abort();
                return Task.CompletedTask;
            };
        }
        var confirmed = await relay.ReceiveAsync(200);
        foreach (var reservation in confirmed.Take(50))
            await relay.ReceiveAsync(RelayUnderTest.Cancelled(reservation));

        for (var second = 0; second < 60; second++)
        {
            await relay.SendDueAsync();
            relay.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.All(await relay.RowsAsync(), row =>
            Assert.Equal((DeliveryStatus.Pending, 0), (row.Status, row.Attempts - row.AttemptsBefore)));
        // The failures that opened the breaker, and one or two trials.
        var requests = relay.Platform.Arrivals.Count;
        Assert.InRange(requests, 10, 20);

        relay.Platform.AnswerWith(200);
        for (var second = 0; second < 70; second++)
        {
            relay.Clock.Advance(TimeSpan.FromSeconds(1));
            await relay.SendDueAsync();
        }
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
        Assert.Equal(250, relay.Platform.Arrivals.Count - requests);
        relay.Platform.AssertInOrder();
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Delivery_RefusedForItsContent_IsTheOnlyDeadOne(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, settings: Strict);
        var confirmed = await relay.ReceiveAsync(60);
        AnswerOnly(relay, [confirmed[5].ReservationId], 422);

        await relay.SendDueAsync();

        Assert.Equal([confirmed[5].ReservationId],
            (await relay.RowsAsync()).Where(row => row.Status != DeliveryStatus.Delivered).Select(row => row.ReservationId));
        Assert.Equal((DeliveryStatus.Dead, 1), ((await relay.RowAsync(confirmed[5].ReservationId)).Status,
            (await relay.RowAsync(confirmed[5].ReservationId)).Attempts));
    }

    [Theory]
    [InlineData(DatabaseProvider.Sqlite, 500, null)]
    [InlineData(DatabaseProvider.PostgreSql, 500, null)]
    [InlineData(DatabaseProvider.Sqlite, 403, null)]
    [InlineData(DatabaseProvider.Sqlite, 404, null)]
    [InlineData(DatabaseProvider.Sqlite, 429, null)]
    [InlineData(DatabaseProvider.Sqlite, 503, "20")]
    [InlineData(DatabaseProvider.Sqlite, 0, null)]
    public async Task Delivery_FailingWhileOthersSucceed_DelaysThemLittleAndEndsDead(
        DatabaseProvider provider, int status, string? retryAfter)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server,
            settings: [("DataPlatform:BreakerMinimum", "10"), ("DataPlatform:MaxAttempts", "3"), ("DataPlatform:MaxAge", "00:10:00")]);
        var poisonous = (await relay.ReceiveAsync(2)).ConvertAll(confirmed => confirmed.ReservationId);
        AnswerOnly(relay, poisonous, status, retryAfter);
        var others = new List<Guid>();
        // Five sales a minute for three hours, beside two deliveries that always fail.
        for (var minute = 0; minute < 180 && (await relay.RowsAsync()).Exists(row => row.Status == DeliveryStatus.Pending); minute++)
        {
            others.AddRange((await relay.ReceiveAsync(5)).ConvertAll(confirmed => confirmed.ReservationId));
            for (var second = 0; second < 60; second += 5)
            {
                await relay.SendDueAsync();
                relay.Clock.Advance(TimeSpan.FromSeconds(5));
            }
        }

        foreach (var reservation in poisonous)
        {
            var row = await relay.RowAsync(reservation);
            Assert.Equal(DeliveryStatus.Dead, row.Status);
            Assert.InRange(row.Attempts - row.AttemptsBefore, 3, 9);
            Assert.InRange(row.CompletedAt!.Value - row.Since, TimeSpan.FromMinutes(10), TimeSpan.FromHours(3));
        }
        // Two failures without a success between them count as the destination's fault. Chance decides how often that happens, and how
        // often a trial takes a delivery that fails. The others arrive before any would be given up.
        var rows = (await relay.RowsAsync()).ToDictionary(row => row.ReservationId);
        var waits = others.ConvertAll(id => rows[id].CompletedAt!.Value - rows[id].CreatedAt);
        Assert.All(waits, wait => Assert.InRange(wait, TimeSpan.Zero, TimeSpan.FromMinutes(10)));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Trials_DuringAnOutage_RotateDeliveriesAndBackOff(DatabaseProvider provider)
    {
        var clock = new FakeTimeProvider(RelayUnderTest.Now);
        await using var relay = await RelayUnderTest.StartAsync(provider, server, clock: clock,
            settings: [("DataPlatform:BreakerMinimum", "4"), ("DataPlatform:Concurrency", "1")]);
        relay.Platform.AnswerWith(503);
        await relay.ReceiveAsync(8);
        for (var second = 0; second < 3_600; second += 5)
        {
            await relay.SendDueAsync();
            clock.Advance(TimeSpan.FromSeconds(5));
        }

        var trials = (await relay.AttemptsAsync()).OrderBy(attempt => attempt.At).Skip(4).ToList();
        var pauses = trials.Skip(1).Zip(trials, (later, earlier) => (later.At - earlier.At).TotalSeconds).ToList();
        Assert.Equal([30, 60, 120, 240, 300, 300, 300, 300, 300, 300, 300, 300], pauses.Take(12));
        Assert.Equal(8, trials.Take(8).DistinctBy(trial => trial.DeliveryId).Count());
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(0, row.Attempts - row.AttemptsBefore));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task OnlyDelivery_DuringAnOutage_IsNotGivenUp(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, settings: Strict);
        relay.Platform.AnswerWith(401);
        await relay.ReceiveAsync();
        for (var minute = 0; minute < 600; minute++)
        {
            await relay.SendDueAsync();
            relay.Clock.Advance(TimeSpan.FromMinutes(1));
        }
        Assert.Equal(DeliveryStatus.Pending, (await relay.RowAsync()).Status);
        Assert.InRange(relay.Platform.Arrivals.Count, 100, 320);

        relay.Platform.AnswerWith(200);
        relay.Clock.Advance(TimeSpan.FromMinutes(5));
        await relay.SendDueAsync();
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync()).Status);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Resume_ByAnOperator_TriesTheDestinationImmediately(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        relay.Platform.AnswerWith(429, response => response.Headers.RetryAfter = "3600");
        await relay.ReceiveAsync();
        await relay.SendDueAsync();
        relay.Platform.AnswerWith(200);
        relay.Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0, await relay.SendDueAsync());

        using var resumed = await relay.CallAsync(HttpMethod.Post, "/destination/resume", new { reason = "The platform is fixed." });
        Assert.True(resumed.IsSuccessStatusCode);
        Assert.Equal(1, await relay.SendDueAsync());
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync()).Status);
    }

    private static void AnswerOnly(RelayUnderTest relay, List<Guid> reservations, int status, string? retryAfter = null) =>
        relay.Platform.Answer = (arrival, context) =>
    {
        if (!reservations.Contains(arrival.ReservationId))
            return Task.CompletedTask;
        if (status == 0)
            context.Abort();
        else
            (context.Response.StatusCode, context.Response.Headers.RetryAfter) = (status, retryAfter);
        return Task.CompletedTask;
    };
}
