using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests;

public sealed partial class OpenPageTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly Upstream _upstream;

    public OpenPageTests(GatewayFixture fixture)
    {
        (_gateway, _upstream) = (fixture.Gateway, fixture.Upstream);
        _upstream.Forget();
    }

    [Fact]
    public async Task Document_Anonymous_IsTheCommittedOne()
    {
        using var response = await _gateway.SendAsync("GET", "/openapi.json");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        Assert.StartsWith("3.", JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("openapi").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReaderPage_Anonymous_LoadsNothingFromElsewhere()
    {
        using var redirect = await _gateway.SendAsync("GET", "/docs");
        using var response = await _gateway.SendAsync("GET", "/docs/");
        var page = await response.Content.ReadAsStringAsync();

        Assert.Equal((302, "docs/"), ((int)redirect.StatusCode, redirect.Headers.Location?.ToString()));
        Assert.Equal(200, (int)response.StatusCode);
        Assert.DoesNotContain("://", page, StringComparison.Ordinal);
        Problem.HasSecurityHeaders(response);
        var policy = response.Headers.GetValues("Content-Security-Policy").Single();
        var nonces = Nonce().Matches(page).Select(match => match.Groups[1].Value).Distinct().ToArray();
        Assert.Contains($"'nonce-{Assert.Single(nonces)}'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("http", policy, StringComparison.Ordinal);
        foreach (var script in Source().Matches(page).Select(match => match.Groups[1].Value))
        {
            using var asset = await _gateway.SendAsync("GET", $"/docs/{script}");
            Assert.Equal((200, "text/javascript"), ((int)asset.StatusCode, asset.Content.Headers.ContentType?.MediaType));
            Problem.HasSecurityHeaders(asset);
        }
    }

    [Theory]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    public async Task Health_Anonymous_Is200(string path)
    {
        using var response = await _gateway.SendAsync("GET", path);

        Assert.Equal(200, (int)response.StatusCode);
        Problem.HasSecurityHeaders(response);
        Assert.Empty(_upstream.Seen);
    }

    [Theory]
    [InlineData("", 404)]
    [InlineData("guess", 404)]
    [InlineData(GatewayHost.Secret, 200)]
    public async Task Metrics_AskedFor_OnlyAnswerTheSecret(string secret, int status)
    {
        using var response = await _gateway.SendAsync("GET", "/metrics", headers: [("X-Gateway-Secret", secret)]);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task Preflight_AllowedOrigin_NamesWhatIsAllowed()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Cors:Origins=https://tickets.example,https://other.example");

        using var preflight = await gateway.SendAsync("OPTIONS", "/api/reservations", headers:
        [
            ("Origin", "https://tickets.example"), ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type,idempotency-key,prefer,x-queue-token")
        ]);
        Assert.Equal(204, (int)preflight.StatusCode);
        Assert.Equal("https://tickets.example", preflight.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.False(preflight.Headers.Contains("Access-Control-Allow-Credentials"));
        Problem.HasSecurityHeaders(preflight);
        Assert.Empty(_upstream.Seen);

        using var refused = await gateway.SendAsync("POST", "/api/reservations", headers: [("Origin", "https://other.example")]);
        await Problem.IsAsync(refused, 401, "UNAUTHENTICATED");
        Assert.Equal("https://other.example", refused.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Equal("Location,ETag,Retry-After,Date,Idempotent-Replayed", refused.Headers.GetValues("Access-Control-Expose-Headers").Single());

        using var stranger = await gateway.SendAsync("GET", "/api/concerts", headers: [("Origin", "https://evil.example")]);
        Assert.False(stranger.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task Preflight_NoOriginsConfigured_AllowsNothing()
    {
        using var preflight = await _gateway.SendAsync("OPTIONS", "/api/reservations", headers:
            [("Origin", "https://tickets.example"), ("Access-Control-Request-Method", "POST")]);

        Assert.Equal(405, (int)preflight.StatusCode);
        Assert.False(preflight.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [GeneratedRegex("nonce=\"([^\"]+)\"")]
    private static partial Regex Nonce();

    [GeneratedRegex("src=\"([^\"]+)\"")]
    private static partial Regex Source();
}
