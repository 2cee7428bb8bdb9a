using System.Text.Json.Nodes;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Gateway.Tests;

/// <summary>The quick way for polls: it answers as the long way does, and lets in nobody who is refused there.</summary>
public sealed class QuickPollTests : IClassFixture<QuickPollTests.BothWays>
{
    private const string Path = "/api/queue/tokens/current", Page = "https://tickets.example";

    private static readonly Guid TokenId = Guid.CreateVersion7(), Revoked = Guid.CreateVersion7();

    private readonly Upstream _upstream;
    private readonly GatewayHost _quick, _long;
    private QueueSnapshot _snapshot = Known();

    public QuickPollTests(BothWays both)
    {
        (_upstream, _quick, _long) = (both.Upstream, both.Quick, both.Slow);
        _upstream.Snapshot = _snapshot;
    }

    /// <summary>The name of a request, its status, whether it goes the quick way, its headers, its method and path.</summary>
    public static TheoryData<string, int, bool, string[], string> Requests
    {
        get
        {
            var (mina, waiting) = ($"Authorization: Bearer {Tokens.For("mina")}", QueueTokens.Waiting("mina", 42, tokenId: TokenId));
            string[] With(string token, params string[] more) => [mina, $"X-Queue-Token: {token}", .. more];
            return new()
            {
                { "somebody who waits", 200, true, With(waiting), $"GET {Path}" },
                { "with a query", 200, true, With(waiting), $"GET {Path}?a=1" },
                { "from a page of another origin", 200, true, With(waiting, $"Origin: {Page}"), $"GET {Path}" },
                { "from a page of a foreign origin", 200, true, With(waiting, "Origin: https://evil.example"), $"GET {Path}" },
                { "with the caller's name forged", 200, true, With(waiting, "X-User-Id: tom", "X-Queue-Token-Id: 0197b1d0-0000-7000-8000-000000000001"), $"GET {Path}" },
                { "under another spelling", 200, true, With(waiting), $"GET {Path.ToUpperInvariant()}" },
                { "the scheme in small letters", 200, true, [mina.Replace("Bearer", "bearer", StringComparison.Ordinal), $"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "at their turn", 200, false, With(QueueTokens.Waiting("mina", 2)), $"GET {Path}" },
                { "of a concert nobody told of", 200, false, With(QueueTokens.Waiting("mina", 42, 77)), $"GET {Path}" },
                { "with a pass", 200, false, With(QueueTokens.Pass("mina")), $"GET {Path}" },
                { "leaving", 200, false, With(waiting), $"DELETE {Path}" },
                { "by another method", 405, false, With(waiting), $"PUT {Path}" },
                { "with too large a body", 413, false, With(waiting, "Content-Length: 20000"), $"GET {Path}" },
                { "without a queue token", 400, false, [mina], $"GET {Path}" },
                { "with an empty queue token", 400, false, With(""), $"GET {Path}" },
                { "with two queue tokens", 401, false, With(waiting, $"X-Queue-Token: {waiting}"), $"GET {Path}" },
                { "altered", 401, false, With($"{waiting[..^4]}AAAA"), $"GET {Path}" },
                { "malformed", 401, false, With("nonsense"), $"GET {Path}" },
                { "oversized", 401, false, With(new string('A', 3000)), $"GET {Path}" },
                { "not ASCII", 400, false, With($"{waiting}\u00e4"), $"GET {Path}" },
                { "not yet valid", 401, false, With(QueueTokens.Waiting("mina", 42, now: QueueTokens.Now.AddMinutes(5))), $"GET {Path}" },
                { "of another user", 403, false, With(QueueTokens.Waiting("tom", 42)), $"GET {Path}" },
                { "expired", 410, false, With(QueueTokens.Waiting("mina", 42, now: QueueTokens.Now.AddDays(-2))), $"GET {Path}" },
                { "revoked", 410, false, With(QueueTokens.Waiting("mina", 42, tokenId: Revoked)), $"GET {Path}" },
                { "without a bearer token", 401, false, [$"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "with two bearer tokens", 401, false, [mina, mina, $"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "with another scheme", 401, false, [mina.Replace("Bearer", "Basic", StringComparison.Ordinal), $"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "with an altered bearer token", 401, false, [$"{mina[..^4]}AAAA", $"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "with an expired bearer token", 401, false, [$"Authorization: Bearer {Tokens.Make(claims => claims["exp"] = QueueTokens.Now.AddMinutes(-1).ToUnixTimeSeconds())}", $"X-Queue-Token: {waiting}"], $"GET {Path}" }
            };
        }
    }

    // Made by the process that runs the tests: the keys are its own.
    [Theory, MemberData(nameof(Requests), DisableDiscoveryEnumeration = true)]
    public async Task Request_OnBothWays_HasTheSameAnswer(string what, int status, bool isQuick, string[] headers, string target)
    {
        // The quick way remembers what the long way found, so it is asked twice.
        var first = await AnswerAsync(_quick, headers, target);
        var second = await AnswerAsync(_quick, headers, target);

        var expected = await AnswerAsync(_long, headers, target);
        Assert.Equal(status, expected.Status);
        Assert.Equal(expected, first);
        Assert.Equal(expected, second);
        Assert.True(isQuick == WentQuick(_quick, headers, target.Split(' ')[0]), what);
        Assert.False(WentQuick(_long, headers, target.Split(' ')[0]));
    }

    [Fact]
    public async Task Tokens_RememberedForTwoUsers_AreNotMixedUp()
    {
        var (mina, tom) = (Headers("mina"), Headers("tom"));
        foreach (var headers in new[] { mina, tom, mina, tom })
            Assert.Equal(200, (await AnswerAsync(_quick, headers, $"GET {Path}")).Status);

        Assert.Equal(403, (await AnswerAsync(_quick, [mina[0], tom[1]], $"GET {Path}")).Status);
        Assert.Equal(403, (await AnswerAsync(_quick, [tom[0], mina[1]], $"GET {Path}")).Status);
    }

    [Fact]
    public async Task Token_RevokedOrItsKeyWithdrawn_IsRefusedHoweverWellItIsRemembered()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address);
        var tokenId = Guid.CreateVersion7();
        var (ended, other) = (Headers("mina", tokenId), Headers("mina"));
        foreach (var headers in new[] { ended, ended, other, other })
            Assert.Equal(200, (await AnswerAsync(gateway, headers, $"GET {Path}")).Status);

        gateway.Room.Apply(new QueueTokenRevoked(1, 3, tokenId, QueueTokens.Now.AddDays(1)));
        Assert.Equal(410, (await AnswerAsync(gateway, ended, $"GET {Path}")).Status);
        Assert.Equal(200, (await AnswerAsync(gateway, other, $"GET {Path}")).Status);

        _snapshot = QueueTokens.Snapshot() with { Keys = [.. QueueTokens.Snapshot().Keys.Where(key => key.Kid == QueueTokens.PassKid)] };
        gateway.Room.Apply(_snapshot, TimeProvider.System.GetTimestamp());
        Assert.Equal(401, (await AnswerAsync(gateway, other, $"GET {Path}")).Status);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(1_000_000)]
    public async Task Poll_HoweverManyWait_TakesTheSameWork(int waiting)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address);
        var headers = Headers("mina");
        await AnswerAsync(gateway, headers, $"GET {Path}");
        gateway.Room.Apply(QueueTokens.Room(sequence: 3, issued: waiting));
        var (quick, context) = (gateway.Services.GetRequiredService<QuickPolls>(), Context(gateway, headers));
        for (var i = 0; i < 100; i++)
            Answer();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 50; i++)
            Answer();

        // The same bar for ten as for a million: about 1,300 bytes, most of them the answer and its headers.
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 50, 1, 4096);

        void Answer()
        {
            context.Response.Body = new MemoryStream(2048);
            Assert.True(quick.Answer(context)!.IsCompletedSuccessfully);
        }
    }

    [Fact]
    public void Bucket_AfterItsBurst_GivesWhatComesBack()
    {
        var time = new FakeTimeProvider();
        var buckets = new PollBuckets(new RateLimit { Burst = 20, PerSecond = 10 }, time);
        for (var i = 0; i < 20; i++)
            Assert.Equal(TimeSpan.Zero, buckets.Take("mina"));

        Assert.Equal(TimeSpan.FromMilliseconds(100), buckets.Take("mina"));
        Assert.Equal(TimeSpan.Zero, buckets.Take("tom"));
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(TimeSpan.Zero, buckets.Take("mina"));
        Assert.NotEqual(TimeSpan.Zero, buckets.Take("mina"));

        // However long it is left alone, and whatever is forgotten meanwhile, it never holds more than its burst, nor less than came back.
        foreach (var (seconds, tokens) in new[] { (1.5, 15), (2.0, 20), (2.5, 20), (60.0, 20) })
        {
            time.Advance(TimeSpan.FromSeconds(seconds));
            Assert.Equal(tokens, Enumerable.Range(0, 30).Count(_ => buckets.Take("mina") == TimeSpan.Zero));
        }
    }

    [Fact]
    public void Buckets_OfPeopleWhoCameOnce_AreNotKept()
    {
        var time = new FakeTimeProvider();
        var buckets = new PollBuckets(new RateLimit(), time);
        var most = 0;
        for (var person = 0; person < 100_000; person++)
        {
            buckets.Take($"user {person}");
            if (person % 1000 == 0)
            {
                time.Advance(TimeSpan.FromMilliseconds(500));
                most = Math.Max(most, buckets.Count);
            }
        }

        // A bucket is full again after two seconds: the people of two spans of that are kept, at 2,000 a second.
        Assert.InRange(most, 4000, 10_000);
    }

    private static QueueSnapshot Known() => QueueTokens.Snapshot(null, new QueueTokenRevoked(1, 2, Revoked, QueueTokens.Now.AddDays(2)));

    private static string[] Headers(string user, Guid? tokenId = null) =>
        [$"Authorization: Bearer {Tokens.For(user)}", $"X-Queue-Token: {QueueTokens.Waiting(user, 42, tokenId: tokenId)}"];

    /// <summary>Asks the quick way itself, with the endpoint that routing would find.</summary>
    private static bool WentQuick(GatewayHost gateway, string[] headers, string method)
    {
        if (method != "GET" || headers.Any(header => header.StartsWith("Content-Length", StringComparison.Ordinal)))
            return false;
        return gateway.Services.GetRequiredService<QuickPolls>().Answer(Context(gateway, headers)) is not null;
    }

    private static DefaultHttpContext Context(GatewayHost gateway, string[] headers)
    {
        var context = new DefaultHttpContext { RequestServices = gateway.Services };
        context.Request.Method = "GET";
        context.Request.Path = Path;
        foreach (var header in headers.Select(header => header.Split(": ", 2)))
            context.Request.Headers.Append(header[0], header[1]);
        context.SetEndpoint(gateway.Services.GetRequiredService<EndpointDataSource>().Endpoints
            .Single(endpoint => endpoint.DisplayName == "queue-place"));
        return context;
    }

    private async Task<Answer> AnswerAsync(GatewayHost gateway, string[] headers, string target)
    {
        _upstream.Forget();
        _upstream.Snapshot = _snapshot;
        var text = await gateway.SendRawAsync($"{target} HTTP/1.1\r\nHost: localhost\r\n{string.Concat(headers.Select(header => $"{header}\r\n"))}Connection: close\r\n\r\n");
        var (head, body) = text.Split("\r\n\r\n", 2) is [var first, var second] ? (first, second) : throw new InvalidDataException(text);
        var lines = head.Split("\r\n");
        // Two things differ from one request to the next: when it was made, and the jitter of a waiting person's next poll.
        var kept = lines[1..].Where(line => !line.StartsWith("Date: ", StringComparison.Ordinal) && !line.StartsWith("Content-Length: ", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        // A problem comes in chunks, with their lengths between.
        if (body.IndexOf('{', StringComparison.Ordinal) is >= 0 and var begin && JsonNode.Parse(body[begin..(body.LastIndexOf('}') + 1)]) is JsonObject json)
        {
            json.Remove("traceId");
            json.Remove("pollAfterSeconds");
            body = json.ToJsonString();
        }
        return new Answer(int.Parse(lines[0].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), string.Join('\n', kept), body, string.Join('\n', _upstream.Seen.Select(seen => $"{seen.Method} {seen.Target}")));
    }

    private sealed record Answer(int Status, string Headers, string Body, string Upstream);

    /// <summary>Two gateways with the same settings, of which one does not know the quick way.</summary>
    public sealed class BothWays : IAsyncLifetime
    {
        public Upstream Upstream { get; private set; } = null!;

        public GatewayHost Quick { get; private set; } = null!;

        public GatewayHost Slow { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Upstream = await Upstream.StartAsync();
            Upstream.Snapshot = Known();
            Quick = await GatewayHost.StartAsync(Upstream.Address, null, $"--Cors:Origins:0={Page}");
            // The same policy by a name the quick way does not know.
            Slow = await GatewayHost.StartAsync(Upstream.Address, null, $"--Cors:Origins:0={Page}", "--ReverseProxy:Routes:queue-place:AuthorizationPolicy=default");
        }

        public async ValueTask DisposeAsync()
        {
            await Quick.DisposeAsync();
            await Slow.DisposeAsync();
            await Upstream.DisposeAsync();
        }
    }
}
