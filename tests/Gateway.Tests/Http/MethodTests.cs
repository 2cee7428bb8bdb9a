using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Gateway.Tests.Http;

/// <summary>Sends HEAD, OPTIONS and wrong methods to every path.</summary>
public sealed class MethodTests : IClassFixture<MethodTests.Fixture>
{
    private const string Page = "https://tickets.example";

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public MethodTests(Fixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
        _upstream.Answer = AnswerAsync;
    }

    public static TheoryData<string> Paths => [.. ShippedRoutes.MethodsByPath.Keys];

    public static TheoryData<string> Readable =>
        [.. ShippedRoutes.MethodsByPath.Where(path => path.Value.Contains("GET")).Select(path => path.Key)];

    [Theory, MemberData(nameof(Readable))]
    public async Task Head_OfAReadablePath_HasTheHeadersOfGetAndNoBody(string path)
    {
        var head = await SendRawAsync("HEAD", path);
        // A bearer token is no session.
        Assert.StartsWith(path == "/auth/session" ? "HTTP/1.1 401 " : "HTTP/1.1 200 ", head[0], StringComparison.Ordinal);
        Assert.Equal("", head[1]);
        if (!path.EndsWith("/events", StringComparison.Ordinal))
        {
            var get = await SendRawAsync("GET", path);
            Assert.Equal(Comparable(get[0]), Comparable(head[0]));
            Assert.NotEqual("", get[1]);
        }
        else
        {
            Assert.Contains("Content-Type: text/event-stream", head[0], StringComparison.Ordinal);
        }
        Assert.All(_upstream.Requests, seen => Assert.Equal("GET", seen.Method));
    }

    [Fact]
    public async Task Head_Refused_HasTheHeadersOfTheProblem()
    {
        using var anonymous = await _gateway.SendAsync("HEAD", "/api/points");
        Assert.Equal((401, "application/problem+json"), ((int)anonymous.StatusCode, anonymous.Content.Headers.ContentType?.MediaType));
        using var wrong = await _gateway.SendAsync("HEAD", "/api/points/charges", Tokens.For("mina"));
        Assert.Equal((405, "POST"), ((int)wrong.StatusCode, string.Join(", ", wrong.Content.Headers.Allow)));
        using var unknown = await _gateway.SendAsync("HEAD", "/nothing");
        Assert.Equal((404, "application/problem+json"), ((int)unknown.StatusCode, unknown.Content.Headers.ContentType?.MediaType));
    }

    [Theory, MemberData(nameof(Paths))]
    public async Task Method_NotAllowedByThePath_Is405WithAllow(string path)
    {
        var methods = ShippedRoutes.MethodsByPath[path];
        var allowed = methods.Contains("GET") ? methods.Append("HEAD") : methods;
        foreach (var method in new[] { "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "SMUGGLE" }.Except(methods))
        {
            using var response = await _gateway.SendAsync(method, path, Tokens.For("mina", "ops"), headers: [("Origin", Page)]);

            await Problem.IsAsync(response, 405, "METHOD_NOT_ALLOWED");
            Assert.Equal(allowed.Order(StringComparer.Ordinal), response.Content.Headers.Allow.Order(StringComparer.Ordinal));
            Assert.Equal(Page, response.Headers.GetValues("Access-Control-Allow-Origin").Single());
        }
        Assert.Empty(_upstream.Requests);
    }

    [Theory, MemberData(nameof(Paths))]
    public async Task Preflight_OfEveryRoute_AllowsItsMethodsAndHeaders(string path)
    {
        var methods = ShippedRoutes.MethodsByPath[path];
        foreach (var method in methods.Contains("GET") ? methods.Append("HEAD") : methods)
        {
            using var preflight = await _gateway.SendAsync("OPTIONS", path, headers:
            [
                ("Origin", Page), ("Access-Control-Request-Method", method),
                ("Access-Control-Request-Headers",
                    "authorization,content-type,idempotency-key,if-none-match,last-event-id,prefer,x-queue-token")
            ]);

            Assert.Equal(204, (int)preflight.StatusCode);
            Assert.Equal(Page, preflight.Headers.GetValues("Access-Control-Allow-Origin").Single());
            Assert.Contains(method, preflight.Headers.GetValues("Access-Control-Allow-Methods").Single().Split(','));
            Assert.Contains("Idempotency-Key", preflight.Headers.GetValues("Access-Control-Allow-Headers").Single(),
                StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public async Task Allow_FromAService_IncludesHead()
    {
        _upstream.Answer = context =>
        {
            context.Response.StatusCode = 405;
            context.Response.Headers.Allow = "GET, PUT";
            return Task.CompletedTask;
        };

        using var response = await _gateway.SendAsync("POST", "/api/points/charges", Tokens.For("mina"));

        Assert.Equal((405, "GET, PUT, HEAD"), ((int)response.StatusCode, string.Join(", ", response.Content.Headers.Allow)));
    }

    private static Task AnswerAsync(HttpContext context)
    {
        if (!context.Request.Path.Value!.EndsWith("/seats", StringComparison.Ordinal))
            return UpstreamStub.AcceptAsync(context);
        context.Response.Headers.ETag = "\"5\"";
        return context.Response.WriteAsJsonAsync(new { version = 5 });
    }

    private async Task<string[]> SendRawAsync(string method, string path)
    {
        var queueToken = path.StartsWith("/api/queue/tokens/current", StringComparison.Ordinal) ? QueueTokens.Waiting("mina", 50)
            : QueueTokens.Pass("mina");
        var answer = await _gateway.SendRawAsync(
            $"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {Tokens.For("mina", "ops")}\r\n" +
            $"X-Queue-Token: {queueToken}\r\nConnection: close\r\n\r\n");
        return answer.Split("\r\n\r\n", 2);
    }

    // Drops what differs between two answers: the date, the nonce of a page, the cookie of a form, and the length of a poll's answer with
    // its jitter.
    private static IEnumerable<string> Comparable(string headers) => headers.Split("\r\n")
        .Where(line => !line.StartsWith("Date: ", StringComparison.Ordinal)
            && !line.StartsWith("Content-Security-Policy", StringComparison.Ordinal)
            && !line.StartsWith("Set-Cookie", StringComparison.Ordinal)
            && !line.StartsWith("Content-Length", StringComparison.Ordinal)
                && !line.StartsWith("Transfer-Encoding", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal);

    public sealed class Fixture : IAsyncLifetime
    {
        public UpstreamStub Upstream { get; private set; } = null!;

        public GatewayHost Gateway { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Upstream = await UpstreamStub.StartAsync();
            Gateway = await GatewayHost.StartAsync(Upstream.Address, null, $"--Cors:Origins:0={Page}");
        }

        public async ValueTask DisposeAsync()
        {
            await Gateway.DisposeAsync();
            await Upstream.DisposeAsync();
        }
    }
}
