using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests;

/// <summary>Calls the routes that need no sign-in.</summary>
public sealed class OpenRouteTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public OpenRouteTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Theory]
    [InlineData("/health/live")]
    [InlineData("/health/ready")]
    public async Task Health_WithoutSignIn_Is200(string path)
    {
        using var response = await _gateway.SendAsync("GET", path);

        Assert.Equal(200, (int)response.StatusCode);
        Problem.HasSecurityHeaders(response);
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("", 404)]
    [InlineData("guess", 404)]
    [InlineData(GatewayHost.Secret, 200)]
    public async Task InnerRoutes_WithoutTheSecret_Are404(string secret, int status)
    {
        foreach (var path in new[] { "/metrics", "/internal/process" })
        {
            using var response = await _gateway.SendAsync("GET", path, headers: [("X-Gateway-Secret", secret)]);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }
}
