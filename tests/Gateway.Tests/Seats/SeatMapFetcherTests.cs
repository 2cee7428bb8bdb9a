using System.Collections.Concurrent;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.Seats;

/// <summary>Lets many clients request one seat map.</summary>
public sealed class SeatMapFetcherTests : IClassFixture<GatewayFixture>
{
    private const string Path = "/api/schedules/1/seats";

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;
    private int _version = 100;

    public SeatMapFetcherTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
        _upstream.Answer = MapAsync;
    }

    [Fact]
    public async Task Requests_DuringAFetch_JoinTheNextOne()
    {
        using var answerNow = new SemaphoreSlim(0);
        _upstream.Answer = async context =>
        {
            // A slow answer contains the version from its start.
            var version = Interlocked.Increment(ref _version);
            await answerNow.WaitAsync(context.RequestAborted);
            await MapAsync(context, version);
        };
        var first = SeatsAsync("mina");
        await Eventually.TrueAsync(() => _upstream.Requests.Length == 1, TimeSpan.FromSeconds(60), "the first fetch has started");
        var maps = _gateway.Services.GetRequiredService<SeatMapFetcher>();
        var crowd = Enumerable.Range(0, 50).Select(_ => maps.FetchAsync(1, 1, CancellationToken.None)).ToArray();
        answerNow.Release(2);

        using var early = await first;
        var late = await Task.WhenAll(crowd);

        Assert.Equal("\"101\"", early.Headers.ETag?.ToString());
        Assert.All(late, answer => Assert.Equal((200, 102), (answer!.Status, answer.Version)));
        Assert.All(late, answer => Assert.Same(late[0], answer));
        Assert.Equal(2, _upstream.Requests.Length);
    }

    [Fact]
    public async Task Fetches_OfOneMap_RunOneAtATimeAndAreNewerThanTheirRequests()
    {
        var running = 0;
        var maxRunning = 0;
        var starts = new ConcurrentQueue<long>();
        _upstream.Answer = async context =>
        {
            maxRunning = Math.Max(maxRunning, Interlocked.Increment(ref running));
            starts.Enqueue(System.Diagnostics.Stopwatch.GetTimestamp());
            var version = Volatile.Read(ref _version);
            await Task.Yield();
            Interlocked.Decrement(ref running);
            await MapAsync(context, version);
        };

        await Parallel.ForEachAsync(Enumerable.Range(0, 200), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            var minVersion = Interlocked.Increment(ref _version);
            using var response = await SeatsAsync($"user-{i}");
            Assert.True(long.Parse(response.Headers.ETag!.Tag.Trim('"'), null) >= minVersion, "an answer is as new as its request");
        });

        Assert.Equal(1, maxRunning);
        // The mean, because single intervals vary.
        var interval = System.Diagnostics.Stopwatch.GetElapsedTime(starts.First(), starts.Last()) / (starts.Count - 1);
        Assert.True(interval >= TimeSpan.FromMilliseconds(18), $"{interval.TotalMilliseconds} ms");
        await Eventually.TrueAsync(() => _gateway.Services.GetRequiredService<SeatMapFetcher>().Fetching == 0, TimeSpan.FromSeconds(60),
            "the fetcher keeps no state");
    }

    [Fact]
    public async Task Map_Unchanged_Is304()
    {
        using var first = await SeatsAsync("mina");
        using var again = await SeatsAsync("mina", ("If-None-Match", "\"100\""));
        using var weak = await SeatsAsync("mina", ("If-None-Match", "\"1\", W/\"100\""));
        using var other = await SeatsAsync("mina", ("If-None-Match", "\"99\""));

        Assert.Equal([200, 304, 304, 200], new[] { first, again, weak, other }.Select(response => (int)response.StatusCode));
        Assert.Equal("{\"version\":100}", await first.Content.ReadAsStringAsync());
        Assert.Equal("application/json", first.Content.Headers.ContentType?.MediaType);
        Assert.Equal("private, no-cache", string.Join(", ", first.Headers.CacheControl!.ToString().Split(", ").Order().Reverse()));
        Assert.Equal("\"100\"", again.Headers.ETag?.ToString());
        Assert.Equal("", await again.Content.ReadAsStringAsync());
        Problem.HasSecurityHeaders(again);
    }

    [Fact]
    public async Task Fetch_ForSeveralRequests_CarriesTheSecretAndTheConcertOnly()
    {
        using var response = await SeatsAsync("mina", ("Idempotency-Key", "7"), ("Accept", "text/html"));

        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal("/seats/api/schedules/1/seats", seen.Target);
        Assert.Equal(("1", GatewayHost.Secret), (seen.Headers["X-Queue-Concert-Id"].Single(), seen.Headers["X-Gateway-Secret"].Single()));
        Assert.DoesNotContain(seen.Headers.Keys, name => name is "Idempotency-Key" or "Authorization" or "X-Queue-Token" or "Accept");
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(401)]
    public async Task Seats_Failing_Is503ForAllJoinedRequests(int status)
    {
        _upstream.Answer = context => { context.Response.StatusCode = status; return context.Response.WriteAsync("secret details"); };

        foreach (var response in await Task.WhenAll(Enumerable.Range(0, 5).Select(i => SeatsAsync($"user-{i}"))))
        {
            await Problem.IsAsync(response, 503, "UNAVAILABLE");
            Assert.NotNull(response.Headers.RetryAfter);
        }
    }

    [Fact]
    public async Task Schedule_Unknown_Is404AsFromSeats()
    {
        _upstream.Answer = context =>
        {
            context.Response.StatusCode = 404;
            return context.Response.WriteAsJsonAsync(new { code = "SCHEDULE_NOT_FOUND" }, (System.Text.Json.JsonSerializerOptions?)null,
                "application/problem+json");
        };

        using var response = await SeatsAsync("mina");

        Assert.Equal((404, "application/problem+json"), ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Equal("""{"code":"SCHEDULE_NOT_FOUND"}""", await response.Content.ReadAsStringAsync());
    }

    private Task<HttpResponseMessage> SeatsAsync(string userId, params (string, string)[] headers) =>
        _gateway.SendAsync("GET", Path, Tokens.For(userId), null, headers);

    private Task MapAsync(HttpContext context) => MapAsync(context, Volatile.Read(ref _version));

    internal static Task MapAsync(HttpContext context, int version)
    {
        context.Response.Headers.ETag = $"\"{version}\"";
        if (context.Request.Headers.IfNoneMatch == $"\"{version}\"")
        {
            context.Response.StatusCode = 304;
            return Task.CompletedTask;
        }
        return context.Response.WriteAsJsonAsync(new { version });
    }
}
