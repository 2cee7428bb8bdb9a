using System.Text.Json;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.Rejections;

/// <summary>
/// Provokes each kind of refusal. The answer is always a problem with a code that is counted once, and a page of another origin can read
/// it, whatever the request accepts.
/// </summary>
[Collection(nameof(AloneCollection))]
public sealed class RefusalTests : IClassFixture<RefusalTests.Fixture>
{
    private const string Page = "https://tickets.example";

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public RefusalTests(Fixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
        _upstream.Answer = AnswerAsync;
    }

    /// <summary>The name, status, code and request of each refusal. <c>$A</c> stands for the headers of a signed-in caller.</summary>
    private static Dictionary<string, (int Status, string Code, string Request)> Requests => new()
    {
        ["no bearer token"] = (401, "UNAUTHENTICATED", "GET /api/points HTTP/1.1\r\nHost: x\r\n"),
        ["bad bearer token"] = (401, "UNAUTHENTICATED", "GET /api/points HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"),
        ["no queue token"] = (400, "QUEUE_TOKEN_MISSING", "GET /api/schedules/1/seats HTTP/1.1\r\nHost: x\r\n$A"),
        ["bad queue token"] = (401, "QUEUE_TOKEN_INVALID", "GET /api/schedules/1/seats HTTP/1.1\r\nHost: x\r\n$AX-Queue-Token: x\r\n"),
        ["bad queue token of a stream"] = (401, "QUEUE_TOKEN_INVALID",
            "GET /api/schedules/1/seats/events HTTP/1.1\r\nHost: x\r\n$AX-Queue-Token: x\r\n"),
        ["another's queue token"] = (403, "QUEUE_TOKEN_NOT_YOURS", "GET /api/queue/tokens/current HTTP/1.1\r\nHost: x\r\n$A$Q(tom)"),
        ["expired queue token"] = (410, "QUEUE_TOKEN_EXPIRED", "GET /api/queue/tokens/current HTTP/1.1\r\nHost: x\r\n$A$E"),
        ["missing role"] = (403, "FORBIDDEN", "GET /ops/api/deliveries HTTP/1.1\r\nHost: x\r\n$A"),
        ["unknown path"] = (404, "NOT_FOUND", "GET /nothing HTTP/1.1\r\nHost: x\r\n"),
        ["metrics"] = (404, "NOT_FOUND", "GET /metrics HTTP/1.1\r\nHost: x\r\n"),
        ["unknown file of the reader"] = (404, "NOT_FOUND", "GET /docs/nothing/at/all.js HTTP/1.1\r\nHost: x\r\n"),
        ["wrong method"] = (405, "METHOD_NOT_ALLOWED", "PUT /api/points HTTP/1.1\r\nHost: x\r\n$A"),
        ["options"] = (405, "METHOD_NOT_ALLOWED", "OPTIONS /api/points HTTP/1.1\r\nHost: x\r\n$A"),
        // The server reads the asterisk as the address of the first page.
        ["options of everything"] = (405, "METHOD_NOT_ALLOWED", "OPTIONS * HTTP/1.1\r\nHost: x\r\n$A"),
        ["announced large body"] = (413, "PAYLOAD_TOO_LARGE",
            "POST /api/reservations HTTP/1.1\r\nHost: x\r\n$A$Q(mina)Content-Length: 17000\r\n"),
        ["large body of an unknown path"] = (413, "PAYLOAD_TOO_LARGE", "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 17000\r\n"),
        ["long address"] = (414, "URI_TOO_LONG", $"GET /api/points?x={new string('x', 9000)} HTTP/1.1\r\nHost: x\r\n$A"),
        ["very long address"] = (414, "URI_TOO_LONG", $"GET /api/points?x={new string('x', 40_000)} HTTP/1.1\r\nHost: x\r\n$A"),
        ["large headers"] = (431, "HEADERS_TOO_LARGE", $"GET /api/points HTTP/1.1\r\nHost: x\r\n$AX-Much: {new string('x', 17_000)}\r\n"),
        ["very large headers"] = (431, "HEADERS_TOO_LARGE",
            $"GET /api/points HTTP/1.1\r\nHost: x\r\n$AX-Much: {new string('x', 80_000)}\r\n"),
        ["many headers"] = (431, "HEADERS_TOO_LARGE",
            $"GET /api/points HTTP/1.1\r\nHost: x\r\n$A{string.Concat(Enumerable.Range(0, 70).Select(i => $"X-{i}: x\r\n"))}"),
        ["very many headers"] = (431, "HEADERS_TOO_LARGE",
            $"GET /api/points HTTP/1.1\r\nHost: x\r\n$A{string.Concat(Enumerable.Range(0, 300).Select(i => $"X-{i}: x\r\n"))}"),
        ["two hosts"] = (400, "BAD_REQUEST", "GET /api/points HTTP/1.1\r\nHost: x\r\nHost: y\r\n"),
        ["no host"] = (400, "BAD_REQUEST", "GET /api/points HTTP/1.1\r\n"),
        ["bad host"] = (400, "BAD_REQUEST", "GET /api/points HTTP/1.1\r\nHost: a b\r\n"),
        ["bad request line"] = (400, "BAD_REQUEST", "GET /api/points\r\nHost: x\r\n"),
        ["bad version"] = (505, "HTTP_VERSION_NOT_SUPPORTED", "GET /api/points HTTP/7.3\r\nHost: x\r\n"),
        ["bad target"] = (405, "METHOD_NOT_ALLOWED", "GET api HTTP/1.1\r\nHost: x\r\n"),
        ["bad header"] = (400, "BAD_REQUEST", "GET /api/points HTTP/1.1\r\nHost: x\r\nX Y: z\r\n"),
        ["bad length"] = (400, "BAD_REQUEST", "POST /api/reservations HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n"),
        ["two lengths"] = (400, "BAD_REQUEST", "POST /api/reservations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n"),
        ["no length in HTTP/1.0"] = (400, "BAD_REQUEST", "POST /api/points/charges HTTP/1.0\r\nHost: x\r\n$A"),
        ["unknown transfer coding"] = (400, "BAD_REQUEST",
            "POST /api/points/charges HTTP/1.1\r\nHost: x\r\n$ATransfer-Encoding: gzip\r\n"),
        ["path instead of an authority"] = (405, "METHOD_NOT_ALLOWED", "CONNECT /api/points HTTP/1.1\r\nHost: x\r\n"),
        ["slow headers"] = (408, "REQUEST_TIMEOUT", "GET /api/points HTTP/1.1\r\nHost: x\r\n$AX-Slow: "),
        ["bad chunk"] = (400, "BAD_REQUEST", "POST /api/points/charges HTTP/1.1\r\nHost: x\r\n$ATransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ["chunks without an end"] = (413, "PAYLOAD_TOO_LARGE",
            $"POST /api/points/charges HTTP/1.1\r\nHost: x\r\n$ATransfer-Encoding: "
                + $"chunked\r\n\r\n{string.Concat(Enumerable.Repeat($"1000\r\n{new string('x', 4096)}\r\n", 6))}"),
        ["service that fails"] = (503, "UNAVAILABLE", "GET /api/points/entries HTTP/1.1\r\nHost: x\r\n$A"),
        ["service that drops the connection"] = (503, "UNAVAILABLE", "GET /api/reservations HTTP/1.1\r\nHost: x\r\n$A"),
        ["seat map that Seats does not return"] = (503, "UNAVAILABLE", "GET /api/schedules/1/seats HTTP/1.1\r\nHost: x\r\n$A$Q(mina)"),
        ["seat stream that Seats does not return"] = (503, "UNAVAILABLE",
            "GET /api/schedules/1/seats/events HTTP/1.1\r\nHost: x\r\n$A$Q(mina)"),
        ["silent service"] = (503, "UNAVAILABLE", "GET /api/reservations/0197b1d0-0000-7000-8000-000000000001 HTTP/1.1\r\nHost: x\r\n$A"),
        ["exception"] = (500, "INTERNAL_ERROR", "GET /throw HTTP/1.1\r\nHost: x\r\n"),
        ["rate limit"] = (429, "TOO_MANY_REQUESTS", "POST /api/queue/tokens HTTP/1.1\r\nHost: x\r\n$L")
    };

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (var what in Requests.Keys)
            {
                foreach (var accept in new[] { "", "Accept: text/event-stream\r\n", "Accept: text/html\r\n",
                    "Accept: image/png;q=0.5, nonsense\r\n" })
                    cases.Add(what, accept);
            }
            return cases;
        }
    }

    // The server rejects these before it reads any header, so the origin is unknown.
    private static readonly string[] WithoutOrigin = ["very long address", "bad request line", "bad version", "bad target"];

    [Theory, MemberData(nameof(Cases))]
    public async Task Refusal_OfAnyKind_IsAProblemAndCountedOnce(string what, string accept)
    {
        var (status, code, request) = Requests[what];
        var limited = Tokens.For($"limited-{Guid.CreateVersion7()}");
        var text = request
            .Replace("$A", $"Authorization: Bearer {Tokens.For("mina")}\r\n", StringComparison.Ordinal)
            .Replace("$Q(tom)", $"X-Queue-Token: {QueueTokens.Waiting("tom", 5)}\r\n", StringComparison.Ordinal)
            .Replace("$Q(mina)", $"X-Queue-Token: {QueueTokens.Pass("mina")}\r\n", StringComparison.Ordinal)
            .Replace("$E", $"X-Queue-Token: {QueueTokens.Waiting("mina", 5, now: QueueTokens.Now.AddDays(-3))}\r\n",
                StringComparison.Ordinal)
            .Replace("$L", $"Authorization: Bearer {limited}\r\n", StringComparison.Ordinal);
        var line = text.IndexOf("\r\n", StringComparison.Ordinal) + 2;
        // Before the other headers, because the server stops reading at the first fault.
        text = text.Insert(line, $"Origin: {Page}\r\nConnection: close\r\n{accept}");
        if (what != "slow headers" && !text.Contains("\r\n\r\n", StringComparison.Ordinal))
            text += "\r\n";
        if (what == "rate limit")
        {
            for (var i = 0; i < 3; i++)
                await _gateway.SendRawAsync(text);
        }
        using var refusals = new RefusalRecorder();

        var answer = await _gateway.SendRawAsync(text);

        var (head, body) = answer.Split("\r\n\r\n", 2) is [var first, var second] ? (first, second) : (answer, "");
        Assert.StartsWith($"HTTP/1.1 {status} ", head, StringComparison.Ordinal);
        Assert.Contains("Content-Type: application/problem+json", head, StringComparison.OrdinalIgnoreCase);
        var problem = JsonDocument.Parse(body[body.IndexOf('{', StringComparison.Ordinal)..(body.LastIndexOf('}') + 1)]).RootElement;
        Assert.Equal((code, status), (problem.GetProperty("code").GetString(), problem.GetProperty("status").GetInt32()));
        foreach (var member in new[] { "type", "title", "detail", "traceId" })
            Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty(member).GetString()), member);
        // The words of a status without words of its own.
        Assert.NotEqual(("Error", "The server refused the request."),
            (problem.GetProperty("title").GetString(), problem.GetProperty("detail").GetString()));
        Assert.Equal(status is 429 or 503, head.Contains("\r\nRetry-After: ", StringComparison.Ordinal));
        Assert.Equal(status == 405, head.Contains("\r\nAllow: ", StringComparison.Ordinal));
        Assert.Contains("X-Content-Type-Options: nosniff", head, StringComparison.Ordinal);
        if (!WithoutOrigin.Contains(what))
            Assert.Contains($"Access-Control-Allow-Origin: {Page}", head, StringComparison.Ordinal);
        Assert.Equal([code], refusals.Seen.Select(refusal => refusal.Code));
    }

    private static Task AnswerAsync(HttpContext context)
    {
        switch (context.Request.Path.Value)
        {
            case "/orchestrator/api/reservations":
                context.Abort();
                return Task.CompletedTask;
            case "/orchestrator/api/reservations/0197b1d0-0000-7000-8000-000000000001":
                return Task.Delay(Timeout.Infinite, context.RequestAborted);
            case "/seats/api/concerts" or "/points/api/points/charges":
                return UpstreamStub.AcceptAsync(context);
            default:
                context.Response.StatusCode = 502;
                return context.Response.WriteAsync("secret details");
        }
    }

    public sealed class Fixture : IAsyncLifetime
    {
        public UpstreamStub Upstream { get; private set; } = null!;

        public GatewayHost Gateway { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Upstream = await UpstreamStub.StartAsync();
            Gateway = await GatewayHost.StartWithAsync(Upstream.Address,
                builder => builder.Services.AddSingleton<IStartupFilter, FaultyEndpoint>(),
                $"--Cors:Origins:0={Page}", "--Limits:UpstreamTimeout=00:00:01", "--Limits:HeadersTimeout=00:00:01",
                    "--RateLimits:Queue:Burst=2", "--RateLimits:Queue:PerSecond=1");
        }

        public async ValueTask DisposeAsync()
        {
            await Gateway.DisposeAsync();
            await Upstream.DisposeAsync();
        }

        /// <summary>Adds an endpoint that throws to the end of the pipeline.</summary>
        private sealed class FaultyEndpoint : IStartupFilter
        {
            public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
            {
                next(app);
                app.Run(context =>
                {
                    context.Response.StatusCode = StatusCodes.Status404NotFound;
                    return context.Request.Path == "/throw" ? throw new InvalidOperationException("A secret.") : Task.CompletedTask;
                });
            };
        }
    }
}
