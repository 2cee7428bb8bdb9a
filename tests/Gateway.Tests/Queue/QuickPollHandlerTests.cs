using System.Text.Json.Nodes;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

using Yarp.ReverseProxy.Configuration;

namespace ConcertSaga.Gateway.Tests.Queue;

/// <summary>Compares the quick path of polls with the long path: the answers and the refusals must be the same.</summary>
public sealed class QuickPollHandlerTests : IClassFixture<QuickPollHandlerTests.BothPaths>
{
    private const string Path = "/api/queue/tokens/current", Page = "https://tickets.example";

    private static readonly Guid TokenId = Guid.CreateVersion7(), Revoked = Guid.CreateVersion7();

    private readonly UpstreamStub _upstream;
    private readonly GatewayHost _quick, _long;
    private QueueSnapshot _snapshot = Known();

    public QuickPollHandlerTests(BothPaths both)
    {
        _upstream = both.Upstream;
        _quick = both.Quick;
        _long = both.WithoutQuickPath;
        _upstream.Snapshot = _snapshot;
    }

    /// <summary>The name of a request, its status, whether it takes the quick path, its headers, its method and path.</summary>
    public static TheoryData<string, int, bool, string[], string> Requests
    {
        get
        {
            var (mina, waiting) = ($"Authorization: Bearer {Tokens.For("mina")}", QueueTokens.Waiting("mina", 42, tokenId: TokenId));
            string[] With(string token, params string[] more) => [mina, $"X-Queue-Token: {token}", .. more];
            return new()
            {
                { "with a waiting token", 200, true, With(waiting), $"GET {Path}" },
                { "with a query", 200, true, With(waiting), $"GET {Path}?a=1" },
                { "from a page of another origin", 200, true, With(waiting, $"Origin: {Page}"), $"GET {Path}" },
                { "from a page of a foreign origin", 200, true, With(waiting, "Origin: https://evil.example"), $"GET {Path}" },
                { "with a forged user id", 200, true,
                    With(waiting, "X-User-Id: tom", "X-Queue-Token-Id: 0197b1d0-0000-7000-8000-000000000001"), $"GET {Path}" },
                { "under another spelling", 200, true, With(waiting), $"GET {Path.ToUpperInvariant()}" },
                { "the scheme in small letters", 200, true,
                    [mina.Replace("Bearer", "bearer", StringComparison.Ordinal), $"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "at the customer's turn", 200, false, With(QueueTokens.Waiting("mina", 2)), $"GET {Path}" },
                { "of an unknown concert", 200, false, With(QueueTokens.Waiting("mina", 42, 77)), $"GET {Path}" },
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
                { "with another scheme", 401, false, [mina.Replace("Bearer", "Basic", StringComparison.Ordinal),
                    $"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "with an altered bearer token", 401, false, [$"{mina[..^4]}AAAA", $"X-Queue-Token: {waiting}"], $"GET {Path}" },
                { "with an expired bearer token", 401, false,
                    [$"Authorization: Bearer {Tokens.Make(claims => claims["exp"] = QueueTokens.Now.AddMinutes(-1).ToUnixTimeSeconds())}",
                    $"X-Queue-Token: {waiting}"], $"GET {Path}" }
            };
        }
    }

    // Not enumerated at discovery, because each process creates its own keys.
    [Theory, MemberData(nameof(Requests), DisableDiscoveryEnumeration = true)]
    public async Task Request_OnBothPaths_HasTheSameAnswer(string what, int status, bool isQuick, string[] headers, string target)
    {
        // Sent twice, because the quick path needs the tokens that the long path has cached.
        var first = await AnswerAsync(_quick, headers, target);
        var second = await AnswerAsync(_quick, headers, target);

        var expected = await AnswerAsync(_long, headers, target);
        Assert.Equal(status, expected.Status);
        Assert.Equal(expected, first);
        Assert.Equal(expected, second);
        Assert.True(isQuick == TakesQuickPath(_quick, headers, target.Split(' ')[0]), what);
        Assert.False(TakesQuickPath(_long, headers, target.Split(' ')[0]));
    }

    [Fact]
    public async Task Tokens_CachedForTwoUsers_AreNotMixedUp()
    {
        var (mina, tom) = (Headers("mina"), Headers("tom"));
        foreach (var headers in new[] { mina, tom, mina, tom })
            Assert.Equal(200, (await AnswerAsync(_quick, headers, $"GET {Path}")).Status);

        Assert.Equal(403, (await AnswerAsync(_quick, [mina[0], tom[1]], $"GET {Path}")).Status);
        Assert.Equal(403, (await AnswerAsync(_quick, [tom[0], mina[1]], $"GET {Path}")).Status);
    }

    [Fact]
    public async Task Token_CachedButRevokedOrWithoutItsKey_IsRefused()
    {
        // Its own, because the gateways of other tests would read the snapshot without the key.
        await using var upstream = await UpstreamStub.StartAsync();
        await using var gateway = await GatewayHost.StartAsync(upstream.Address);
        var tokenId = Guid.CreateVersion7();
        var (ended, other) = (Headers("mina", tokenId), Headers("mina"));
        foreach (var headers in new[] { ended, ended, other, other })
            Assert.Equal(200, (await AnswerAsync(gateway, headers, $"GET {Path}", upstream)).Status);

        gateway.Rooms.Apply(new QueueTokenRevoked(1, 3, tokenId, QueueTokens.Now.AddDays(1)));
        Assert.Equal(410, (await AnswerAsync(gateway, ended, $"GET {Path}", upstream)).Status);
        Assert.Equal(200, (await AnswerAsync(gateway, other, $"GET {Path}", upstream)).Status);

        _snapshot = QueueTokens.Snapshot() with { Keys = [.. QueueTokens.Snapshot().Keys.Where(key => key.Kid == QueueTokens.PassKid)] };
        gateway.Rooms.Apply(_snapshot, TimeProvider.System.GetTimestamp());
        Assert.Equal(401, (await AnswerAsync(gateway, other, $"GET {Path}", upstream)).Status);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(1_000_000)]
    public async Task Poll_WithAnyNumberWaiting_AllocatesTheSame(int waiting)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address);
        var headers = Headers("mina");
        await AnswerAsync(gateway, headers, $"GET {Path}");
        gateway.Rooms.Apply(QueueTokens.Room(sequence: 3, issued: waiting));
        var handler = gateway.Services.GetRequiredService<QuickPollHandler>();
        var context = Context(gateway, headers);
        for (var i = 0; i < 100; i++)
            Answer();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 50; i++)
            Answer();

        // The same limit for ten and for a million. A poll takes about 1,300 bytes, mostly the answer and its headers.
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 50, 1, 4096);

        void Answer()
        {
            context.Response.Body = new MemoryStream(2048);
            Assert.True(handler.Answer(context)!.IsCompletedSuccessfully);
        }
    }

    private static QueueSnapshot Known() => QueueTokens.Snapshot(null, new QueueTokenRevoked(1, 2, Revoked, QueueTokens.Now.AddDays(2)));

    private static string[] Headers(string user, Guid? tokenId = null) =>
        [$"Authorization: Bearer {Tokens.For(user)}", $"X-Queue-Token: {QueueTokens.Waiting(user, 42, tokenId: tokenId)}"];

    /// <summary>Whether the quick path answers the request, with the endpoint that routing would find.</summary>
    private static bool TakesQuickPath(GatewayHost gateway, string[] headers, string method)
    {
        if (method != "GET" || headers.Any(header => header.StartsWith("Content-Length", StringComparison.Ordinal)))
            return false;
        return gateway.Services.GetRequiredService<QuickPollHandler>().Answer(Context(gateway, headers)) is not null;
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

    private async Task<Answer> AnswerAsync(GatewayHost gateway, string[] headers, string target, UpstreamStub? upstream = null)
    {
        upstream ??= _upstream;
        upstream.Reset(_snapshot);
        var text =
            await gateway.SendRawAsync(
            $"{target} HTTP/1.1\r\nHost: localhost\r\n{string.Concat(headers.Select(header => $"{header}\r\n"))}Connection: close\r\n\r\n");
        var (head, body) = text.Split("\r\n\r\n", 2) is [var first, var second] ? (first, second) : throw new InvalidDataException(text);
        var lines = head.Split("\r\n");
        // Two requests differ in their date and in the jitter of the poll interval.
        var kept = lines[1..].Where(line => !line.StartsWith("Date: ", StringComparison.Ordinal)
            && !line.StartsWith("Content-Length: ", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        // A problem is sent in chunks, with the chunk lengths between.
        if (body.IndexOf('{', StringComparison.Ordinal) is >= 0 and var begin
            && JsonNode.Parse(body[begin..(body.LastIndexOf('}') + 1)]) is JsonObject json)
        {
            json.Remove("traceId");
            json.Remove("pollAfterSeconds");
            body = json.ToJsonString();
        }
        return new Answer(int.Parse(lines[0].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), string.Join('\n', kept),
            body, string.Join('\n', upstream.Requests.Select(seen => $"{seen.Method} {seen.Target}")));
    }

    private sealed record Answer(int Status, string Headers, string Body, string Upstream);

    /// <summary>Runs two gateways with the same settings. Only one of them uses the quick path.</summary>
    public sealed class BothPaths : IAsyncLifetime
    {
        public UpstreamStub Upstream { get; private set; } = null!;

        public GatewayHost Quick { get; private set; } = null!;

        public GatewayHost WithoutQuickPath { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Upstream = await UpstreamStub.StartAsync();
            Upstream.Snapshot = Known();
            Quick = await GatewayHost.StartAsync(Upstream.Address, null, $"--Cors:Origins:0={Page}");
            // The same policy under a name that the quick path does not recognise.
            WithoutQuickPath = await GatewayHost.StartWithAsync(Upstream.Address,
                builder => builder.Services.AddSingleton<IProxyConfigFilter, OtherSpelling>(), $"--Cors:Origins:0={Page}");
        }

        public async ValueTask DisposeAsync()
        {
            await Quick.DisposeAsync();
            await WithoutQuickPath.DisposeAsync();
            await Upstream.DisposeAsync();
        }

        private sealed class OtherSpelling : IProxyConfigFilter
        {
            public ValueTask<RouteConfig> ConfigureRouteAsync(RouteConfig route, ClusterConfig? cluster, CancellationToken cancel) =>
                ValueTask.FromResult(route.RouteId == "queue-place" ? route with { AuthorizationPolicy = "default" } : route);

            public ValueTask<ClusterConfig> ConfigureClusterAsync(ClusterConfig cluster, CancellationToken cancel) =>
                ValueTask.FromResult(cluster);
        }
    }
}
