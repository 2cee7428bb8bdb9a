using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Http;

public sealed class CrossOriginTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public CrossOriginTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Fact]
    public async Task Preflight_FromAnAllowedOrigin_IsAllowed()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null,
            "--Cors:Origins=https://tickets.example,https://other.example");

        using var preflight = await gateway.SendAsync("OPTIONS", "/api/reservations", headers:
        [
            ("Origin", "https://tickets.example"), ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type,idempotency-key,prefer,x-queue-token")
        ]);
        Assert.Equal(204, (int)preflight.StatusCode);
        Assert.Equal("https://tickets.example", preflight.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.False(preflight.Headers.Contains("Access-Control-Allow-Credentials"));
        Problem.HasSecurityHeaders(preflight);
        Assert.Empty(_upstream.Requests);

        using var refused = await gateway.SendAsync("POST", "/api/reservations", headers: [("Origin", "https://other.example")]);
        await Problem.IsAsync(refused, 401, "UNAUTHENTICATED");
        Assert.Equal("https://other.example", refused.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Equal("Location,ETag,Retry-After,Date,Idempotent-Replayed,Allow,WWW-Authenticate",
            refused.Headers.GetValues("Access-Control-Expose-Headers").Single());

        using var stranger = await gateway.SendAsync("GET", "/api/concerts", headers: [("Origin", "https://evil.example")]);
        Assert.False(stranger.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task Preflight_WithoutConfiguredOrigins_Is405()
    {
        using var preflight = await _gateway.SendAsync("OPTIONS", "/api/reservations", headers:
            [("Origin", "https://tickets.example"), ("Access-Control-Request-Method", "POST")]);

        Assert.Equal(405, (int)preflight.StatusCode);
        Assert.False(preflight.Headers.Contains("Access-Control-Allow-Origin"));
    }
}
