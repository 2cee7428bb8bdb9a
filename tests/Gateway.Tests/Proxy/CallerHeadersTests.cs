using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Proxy;

public sealed class CallerHeadersTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public CallerHeadersTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Theory]
    [InlineData("X-User-Id: other")]
    [InlineData("x-user-id: other")]
    [InlineData("X-USER-ID: other\r\nx-User-Id: third")]
    [InlineData("X_User_Id: other")]
    [InlineData("X-User-Roles: ops")]
    [InlineData("x-USER-roles: ops\r\nX-User-Roles: admin")]
    [InlineData("X-Queue-Token-Id: 0197b1d0-0000-7000-8000-000000000001\r\nX-Queue-Concert-Id: 1")]
    [InlineData("X-Gateway-Secret: guess")]
    [InlineData("x-gateway-secret: " + GatewayHost.Secret)]
    [InlineData("Connection: X-User-Id\r\nX-User-Id: other")]
    [InlineData("Cookie: session=1")]
    [InlineData(
        "Forwarded: for=10.0.0.1\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: seats\r\nX-Real-IP: "
            + "10.0.0.1")]
    [InlineData("X-Queue-Token: anything")]
    [InlineData("Baggage: user=other")]
    public async Task Header_FromAClient_IsNotForwarded(string headers)
    {
        foreach (var path in new[] { "/api/points", "/api/concerts" })
        {
            _upstream.Reset();
            var answer = await _gateway.SendRawAsync(
                $"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nAuthorization: Bearer {Tokens.For("mina")}\r\nConnection: "
                    + $"close\r\n\r\n");

            Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
            var seen = Assert.Single(_upstream.Requests);
            Assert.Equal(["Host", "traceparent", "X-Gateway-Secret", "X-User-Id"],
                seen.Headers.Keys.Order(StringComparer.OrdinalIgnoreCase));
            Assert.Equal("mina", Assert.Single(seen.Headers["X-User-Id"]));
            Assert.Equal(GatewayHost.Secret, Assert.Single(seen.Headers["X-Gateway-Secret"]));
        }
    }

    [Fact]
    public async Task Header_ThatForgesAUser_IsDroppedOnAnOpenRoute()
    {
        using var response = await _gateway.SendAsync("GET", "/api/concerts", headers: [("X-User-Id", "other"), ("X-User-Roles", "ops")]);

        Assert.Equal(200, (int)response.StatusCode);
        var seen = Assert.Single(_upstream.Requests);
        Assert.False(seen.Headers.ContainsKey("X-User-Id"));
        Assert.False(seen.Headers.ContainsKey("X-User-Roles"));
    }

    [Fact]
    public async Task Header_ThatAServiceNeeds_IsForwarded()
    {
        using var content = new StringContent("""{"amount":50000}""", null, "application/json");
        using var response = await _gateway.SendAsync("POST", "/api/points/charges", Tokens.For("mina", "ops", "staff"), content,
            ("Idempotency-Key", "7d5f7d1c-5d0c-4a57-8d6e-53a1c9b3a001"), ("Prefer", "wait=2"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));

        Assert.Equal(200, (int)response.StatusCode);
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal("""{"amount":50000}""", seen.Body);
        Assert.Equal("7d5f7d1c-5d0c-4a57-8d6e-53a1c9b3a001", seen.Headers["Idempotency-Key"].Single());
        Assert.Equal("wait=2", seen.Headers["Prefer"].Single());
        Assert.Equal("ops,staff", seen.Headers["X-User-Roles"].Single());
        Assert.Equal("application/json", seen.Headers["Content-Type"].Single().Split(';')[0]);
        Assert.StartsWith("00-0af7651916cd43dd8448eb211c80319c-", seen.Headers["traceparent"].Single(), StringComparison.Ordinal);
        Assert.False(seen.Headers.ContainsKey("Authorization"));
    }

    /// <summary>A service that does not see the header would read a compressed body as JSON.</summary>
    [Fact]
    public async Task ContentEncoding_OfEveryChange_IsForwarded()
    {
        var changes = ShippedRoutes.All.SelectMany(route => route.Methods.Where(method => method != "GET")
            .Select(method => (method, route.Path))).ToList();
        Assert.True(changes.Count >= 10);
        foreach (var (method, path) in changes)
        {
            _upstream.Reset();
            using var content = new ByteArrayContent([0x1f, 0x8b]) { Headers = { ContentEncoding = { "gzip" } } };
            using var response = await _gateway.SendAsync(method, path, Tokens.For("mina", "ops"), content);

            Assert.Equal(["gzip"], Assert.Single(_upstream.Requests).Headers["Content-Encoding"]);
        }
    }

    [Fact]
    public async Task Roles_WithAComma_AreDropped()
    {
        using var response = await _gateway.SendAsync("GET", "/api/points", Tokens.For("mina", "fan,ops", "", "staff", "a b"));

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("staff", Assert.Single(_upstream.Requests).Headers["X-User-Roles"].Single());
    }
}
