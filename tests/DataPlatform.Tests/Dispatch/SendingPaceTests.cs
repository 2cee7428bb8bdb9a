using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>A destination that throttles receives as many deliveries as it accepts.</summary>
public sealed class SendingPaceTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(250);

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory]
    [InlineData(60, "30")]
    [InlineData(60, "60")]
    [InlineData(60, "5")]
    [InlineData(600, "30")]
    public async Task Backlog_AtADestinationWithALimit_IsDeliveredWithFewRefusalsAndNoStragglers(int perMinute, string retryAfter)
    {
        const int backlog = 500;
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        var refused = LimitTo(relay, perMinute, retryAfter);
        await relay.ReceiveAsync(backlog);
        var start = relay.Clock.GetUtcNow();
        while ((await relay.RowsAsync()).Exists(row => row.Status == DeliveryStatus.Pending))
        {
            await relay.SendDueAsync();
            relay.Clock.Advance(Step);
            Assert.True(relay.Clock.GetUtcNow() - start < TimeSpan.FromHours(1), "the backlog is never delivered");
        }

        var rows = await relay.RowsAsync();
        Assert.All(rows, row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
        var share = (double)refused() / relay.Platform.Arrivals.Count;
        Assert.True(share <= 0.05, $"{refused()} of {relay.Platform.Arrivals.Count} requests were refused");
        // The limit alone takes this long. Respecting it may double that, because the destination asks for waits of whole minutes.
        var ideal = TimeSpan.FromMinutes((backlog - perMinute) / (double)perMinute);
        var duration = rows.Max(row => row.CompletedAt!.Value) - start;
        Assert.InRange(duration, TimeSpan.Zero, (ideal > TimeSpan.Zero ? ideal * 2 : TimeSpan.Zero) + TimeSpan.FromMinutes(1.5));
        // Refused deliveries arrive no later than their neighbours.
        var ends = rows.Select(row => row.CompletedAt!.Value).Order().ToList();
        Assert.True(ends[^1] - ends[^20] < TimeSpan.FromMinutes(1.5), "there are stragglers");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Limit_ThatIsLifted_IsForgotten(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        LimitTo(relay, 60, "30");
        await relay.ReceiveAsync(100);
        for (var second = 0; second < 90; second++)
        {
            await relay.SendDueAsync();
            relay.Clock.Advance(TimeSpan.FromSeconds(1));
        }
        var rate = await RateAsync(relay);
        Assert.InRange(rate ?? 0, 0.3, 3);

        relay.Platform.AnswerWith(200);
        relay.Clock.Advance(TimeSpan.FromMinutes(15));
        await relay.ReceiveAsync(400);
        await relay.SendDueAsync();
        relay.Clock.Advance(TimeSpan.FromSeconds(5));
        await relay.SendDueAsync();
        Assert.Null(await RateAsync(relay));
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
    }

    private static Task<double?> RateAsync(RelayUnderTest relay) =>
        relay.WithAsync<Breaker, double?>(breaker => Task.FromResult(breaker.Rate));

    // Accepts a number of requests in each minute of the clock.
    private static Func<int> LimitTo(RelayUnderTest relay, int perMinute, string retryAfter)
    {
        var gate = new Lock();
        var window = 0L;
        var accepted = 0;
        var refused = 0;
        relay.Platform.Answer = (_, context) =>
        {
            lock (gate)
            {
                var now = relay.Clock.GetUtcNow().UtcTicks / TimeSpan.TicksPerMinute;
                if (window != now)
                {
                    window = now;
                    accepted = 0;
                }
                if (++accepted <= perMinute)
                    return Task.CompletedTask;
                refused++;
                (context.Response.StatusCode, context.Response.Headers.RetryAfter) = (429, retryAfter);
                return Task.CompletedTask;
            }
        };
        return () => refused;
    }
}
