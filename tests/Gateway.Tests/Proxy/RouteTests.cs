using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Proxy;

public sealed class RouteTests : IClassFixture<GatewayFixture>
{
    private const string Id = "0197b1d0-0000-7000-8000-000000000001";

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public RouteTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    public static TheoryData<string, string, string> SignedInRoutes => new()
    {
        { "GET", "/api/concerts/1/schedules?from=2026-01-01&to=2026-02-01", "seats" },
        { "GET", "/api/schedules/1/seats", "seats" },
        { "POST", "/api/queue/tokens", "queue" },
        { "DELETE", "/api/queue/tokens/current", "queue" },
        { "POST", "/api/reservations", "orchestrator" },
        { "GET", "/api/reservations?status=Confirmed&limit=5", "orchestrator" },
        { "GET", $"/api/reservations/{Id}", "orchestrator" },
        { "DELETE", $"/api/reservations/{Id}", "orchestrator" },
        { "POST", $"/api/reservations/{Id}/payment", "orchestrator" },
        { "GET", "/api/points", "points" },
        { "POST", "/api/points/charges", "points" },
        { "GET", "/api/points/entries?cursor=abc", "points" }
    };

    [Theory, MemberData(nameof(SignedInRoutes))]
    public async Task Route_WithSignIn_ForwardsTheRequestUnchanged(string method, string path, string service)
    {
        using var response = await _gateway.SendAsync(method, path, Tokens.For("mina"));

        Assert.Equal(200, (int)response.StatusCode);
        Problem.HasSecurityHeaders(response);
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal((method, $"/{service}{path}"), (seen.Method, seen.Target));
    }

    [Theory, MemberData(nameof(SignedInRoutes))]
    public async Task Route_WithoutSignIn_Is401AndForwardsNothing(string method, string path, string service)
    {
        using var response = await _gateway.SendAsync(method, path);

        await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        Assert.True(_upstream.Requests.Length == 0, service);
    }

    [Fact]
    public async Task Concerts_WithoutSignIn_AreShown()
    {
        using var response = await _gateway.SendAsync("GET", "/api/concerts?limit=3");

        Assert.Equal(200, (int)response.StatusCode);
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal("/seats/api/concerts?limit=3", seen.Target);
        Assert.False(seen.Headers.ContainsKey("X-User-Id"));
    }

    [Theory]
    [InlineData("POST", "/api/concerts", "GET, HEAD")]
    [InlineData("DELETE", "/api/concerts/1/schedules", "GET, HEAD")]
    [InlineData("PUT", "/api/schedules/1/seats", "GET, HEAD")]
    [InlineData("DELETE", "/api/reservations", "GET, HEAD, POST")]
    [InlineData("PATCH", $"/api/reservations/{Id}", "DELETE, GET, HEAD")]
    [InlineData("GET", $"/api/reservations/{Id}/payment", "POST")]
    [InlineData("POST", "/api/points", "GET, HEAD")]
    [InlineData("GET", "/api/points/charges", "POST")]
    [InlineData("POST", "/api/points/entries", "GET, HEAD")]
    [InlineData("GET", "/auth/demo", "POST")]
    [InlineData("TRACE", "/api/points", "GET, HEAD")]
    [InlineData("SMUGGLE", "/api/points", "GET, HEAD")]
    public async Task Route_WithAnotherMethod_Is405WithAllow(string method, string path, string allow)
    {
        using var response = await _gateway.SendAsync(method, path, Tokens.For("mina"));

        await Problem.IsAsync(response, 405, "METHOD_NOT_ALLOWED");
        Assert.Equal(allow, string.Join(", ", response.Content.Headers.Allow.Order(StringComparer.Ordinal)));
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("GET", "/concerts")]
    [InlineData("GET", "/concerts/x")]
    [InlineData("GET", "/v/0123456789abcdef/app.js")]
    [InlineData("GET", "/api")]
    [InlineData("GET", "/internal")]
    [InlineData("GET", "/internal/concerts")]
    [InlineData("POST", "/internal/queue/snapshot")]
    [InlineData("GET", "/metrics")]
    [InlineData("POST", "/metrics")]
    [InlineData("GET", "/health")]
    [InlineData("GET", "/seats/health/ready")]
    [InlineData("GET", "/api/concerts/1")]
    [InlineData("GET", "/api/concerts/x/schedules")]
    [InlineData("GET", "/api/reservations/not-an-id")]
    [InlineData("POST", $"/api/reservations/{Id}/cancel")]
    [InlineData("GET", "/api/points/mina")]
    [InlineData("GET", "/internal/schedules/1")]
    [InlineData("GET", "/ops/api/nothing")]
    public async Task Path_Unknown_Is404AndForwardsNothing(string method, string path)
    {
        using var response = await _gateway.SendAsync(method, path, Tokens.For("mina", "ops"));

        await Problem.IsAsync(response, 404, "NOT_FOUND");
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("/api/..%2f..%2finternal/concerts")]
    [InlineData("/api/%2e%2e/internal/concerts")]
    [InlineData("/api/reservations/../../internal/x")]
    [InlineData("/api/reservations/..%2f..%2finternal%2fx")]
    [InlineData("/api/reservations/..%5c..%5cinternal")]
    [InlineData(@"/api\..\internal")]
    [InlineData("//internal/concerts")]
    [InlineData("/internal/./concerts")]
    [InlineData("//api/points")]
    [InlineData("/api//points")]
    [InlineData("/api/points%2fentries")]
    [InlineData("/api/concerts/1%2f..%2f..%2f..%2finternal/schedules")]
    [InlineData("/api/points;/../../internal")]
    [InlineData("/api/points%00")]
    [InlineData("/api/points%0d%0aX-User-Id:%20other")]
    [InlineData("/internal/concerts?x=/api/points")]
    [InlineData("*")]
    [InlineData("http://seats/internal/concerts")]
    [InlineData("http://127.0.0.1/internal/concerts")]
    public async Task Target_OfAnInternalRoute_IsRefused(string target)
    {
        var host = target.StartsWith("http://", StringComparison.Ordinal) ? new Uri(target).Authority : "localhost";
        var answer = await _gateway.SendRawAsync(
            $"GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {Tokens.For("mina")}\r\nConnection: close\r\n\r\n");

        Assert.Matches("^HTTP/1.1 (400|404|405) ", answer);
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("Host: seats")]
    [InlineData("Host: 127.0.0.1:1")]
    [InlineData("Host: localhost\r\nX-Forwarded-Host: seats")]
    [InlineData("Host: localhost\r\nX-Original-URL: /internal/concerts")]
    [InlineData("Host: localhost\r\nX-Rewrite-URL: /internal/concerts")]
    [InlineData("Host: localhost\r\nX-Forwarded-Prefix: /internal")]
    [InlineData("Host: localhost\r\nX-HTTP-Method-Override: DELETE")]
    [InlineData("Host: localhost\r\nForwarded: for=127.0.0.1;host=seats")]
    public async Task Headers_ThatNameAnotherTarget_AreIgnored(string headers)
    {
        var token = Tokens.For("mina");
        var inside = await _gateway.SendRawAsync(
            $"GET /internal/concerts HTTP/1.1\r\n{headers}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 404 ", inside, StringComparison.Ordinal);

        var answer = await _gateway.SendRawAsync(
            $"GET /api/points HTTP/1.1\r\n{headers}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);

        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal(("GET", "/points/api/points"), (seen.Method, seen.Target));
        Assert.Equal(new Uri(_upstream.Address).Authority, seen.Headers["Host"].Single());
    }

    [Fact]
    public async Task Target_InAbsoluteForm_IsRoutedByItsPath()
    {
        var answer = await _gateway.SendRawAsync(
            $"GET http://seats/api/points HTTP/1.1\r\nHost: seats\r\nAuthorization: Bearer {Tokens.For("mina")}\r\nConnection: "
                + $"close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.Equal("/points/api/points", Assert.Single(_upstream.Requests).Target);
    }
}
