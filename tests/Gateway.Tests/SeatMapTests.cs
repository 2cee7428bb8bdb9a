using System.Collections.Concurrent;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests;

/// <summary>A crowd at one seat map.</summary>
public sealed class SeatMapTests : IClassFixture<GatewayFixture>
{
    private const string Path = "/api/schedules/1/seats";

    private readonly GatewayHost _gateway;
    private readonly Upstream _upstream;
    private int _version = 100;

    public SeatMapTests(GatewayFixture fixture)
    {
        (_gateway, _upstream) = (fixture.Gateway, fixture.Upstream);
        _upstream.Forget();
        _upstream.Answer = MapAsync;
    }

    [Fact]
    public async Task Crowd_AtOneMap_JoinsTheNextFetchAndNeverOneUnderWay()
    {
        using var goOn = new SemaphoreSlim(0);
        _upstream.Answer = async context =>
        {
            // What a slow answer says was true when it began.
            var version = Interlocked.Increment(ref _version);
            await goOn.WaitAsync(context.RequestAborted);
            await MapAsync(context, version);
        };
        var first = SeatsAsync("mina");
        await Eventually.TrueAsync(() => _upstream.Seen.Length == 1, TimeSpan.FromSeconds(10), "the first fetch is under way");
        var maps = _gateway.Services.GetRequiredService<SeatMaps>();
        var crowd = Enumerable.Range(0, 50).Select(_ => maps.FetchAsync(1, 1, CancellationToken.None)).ToArray();
        goOn.Release(2);

        using var early = await first;
        var late = await Task.WhenAll(crowd);

        Assert.Equal("\"101\"", early.Headers.ETag?.ToString());
        Assert.All(late, answer => Assert.Equal((200, 102), (answer!.Status, answer.Version)));
        Assert.All(late, answer => Assert.Same(late[0], answer));
        Assert.Equal(2, _upstream.Seen.Length);
    }

    [Fact]
    public async Task Fetches_OfOneMap_AreNeverOlderThanTheirRequestsAndOneAtATime()
    {
        var (underWay, most) = (0, 0);
        var begun = new ConcurrentQueue<long>();
        _upstream.Answer = async context =>
        {
            most = Math.Max(most, Interlocked.Increment(ref underWay));
            begun.Enqueue(System.Diagnostics.Stopwatch.GetTimestamp());
            var version = Volatile.Read(ref _version);
            await Task.Yield();
            Interlocked.Decrement(ref underWay);
            await MapAsync(context, version);
        };

        await Parallel.ForEachAsync(Enumerable.Range(0, 200), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            var atLeast = Interlocked.Increment(ref _version);
            using var response = await SeatsAsync($"user-{i}");
            Assert.True(long.Parse(response.Headers.ETag!.Tag.Trim('"'), null) >= atLeast, "an answer is as new as its request");
        });

        Assert.Equal(1, most);
        // On the whole: how long each is on its way differs.
        var apart = System.Diagnostics.Stopwatch.GetElapsedTime(begun.First(), begun.Last()) / (begun.Count - 1);
        Assert.True(apart >= TimeSpan.FromMilliseconds(18), $"{apart.TotalMilliseconds} ms");
        await Eventually.TrueAsync(() => _gateway.Services.GetRequiredService<SeatMaps>().UnderWay == 0, TimeSpan.FromSeconds(5), "nothing is remembered");
    }

    [Fact]
    public async Task Map_TheCallerHas_Is304()
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
    public async Task Fetch_ForACrowd_CarriesTheSecretAndTheConcertOnly()
    {
        using var response = await SeatsAsync("mina", ("Idempotency-Key", "7"), ("Accept", "text/html"));

        var seen = Assert.Single(_upstream.Seen);
        Assert.Equal("/seats/api/schedules/1/seats", seen.Target);
        Assert.Equal(("1", GatewayHost.Secret), (seen.Headers["X-Queue-Concert-Id"].Single(), seen.Headers["X-Gateway-Secret"].Single()));
        Assert.DoesNotContain(seen.Headers.Keys, name => name is "Idempotency-Key" or "Authorization" or "X-Queue-Token" or "Accept");
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(401)]
    public async Task Seats_Failing_Is503ForAllWhoJoined(int status)
    {
        _upstream.Answer = context => { context.Response.StatusCode = status; return context.Response.WriteAsync("secret details"); };

        foreach (var response in await Task.WhenAll(Enumerable.Range(0, 5).Select(i => SeatsAsync($"user-{i}"))))
        {
            await Problem.IsAsync(response, 503, "UNAVAILABLE");
            Assert.NotNull(response.Headers.RetryAfter);
        }
    }

    [Fact]
    public async Task Date_Unknown_Is404AsSeatsSaysIt()
    {
        _upstream.Answer = context =>
        {
            context.Response.StatusCode = 404;
            return context.Response.WriteAsJsonAsync(new { code = "SCHEDULE_NOT_FOUND" }, (System.Text.Json.JsonSerializerOptions?)null, "application/problem+json");
        };

        using var response = await SeatsAsync("mina");

        Assert.Equal((404, "application/problem+json"), ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Equal("""{"code":"SCHEDULE_NOT_FOUND"}""", await response.Content.ReadAsStringAsync());
    }

    private Task<HttpResponseMessage> SeatsAsync(string userId, params (string, string)[] headers) => _gateway.SendAsync("GET", Path, Tokens.For(userId), null, headers);

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
