using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Builder;

namespace ConcertSaga.Gateway.Tests;

/// <summary>Runs the gateway and the services as two hosts of one process (docs/decisions/0005-two-hosts-in-allinone.md).</summary>
public sealed class TwoHostsTests : IAsyncLifetime
{
    private WebApplication _services = null!;
    private GatewayHost _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _services = GatewayHost.Builder(["--urls=http://127.0.0.1:0"]).Build();
        _services.UseServiceDefaults();
        _services.MapGet("/points/api/points", (Caller caller) => caller.UserId);
        _services.MapGet("/points/internal/accounts", () => "all accounts");
        await _services.StartAsync();
        _gateway = await GatewayHost.StartAsync(_services.Urls.First());
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _services.DisposeAsync();
    }

    [Fact]
    public async Task Service_CalledThroughTheGateway_KnowsTheCaller()
    {
        using var response = await _gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));

        Assert.Equal("mina", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("/points/api/points")]
    [InlineData("/points/internal/accounts")]
    public async Task Service_CalledDirectly_Is404(string path)
    {
        using var client = new HttpClient { BaseAddress = new Uri(_services.Urls.First()) };
        using var request = new HttpRequestMessage(HttpMethod.Get,
            path)
        { Headers = { { "X-User-Id", "mina" }, { "X-Gateway-Secret", "guess" }, { "Host", _gateway.Address.Authority } } };

        using var response = await client.SendAsync(request);

        Assert.Equal(404, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("/points/internal/accounts")]
    [InlineData("/internal/accounts")]
    public async Task Gateway_WithTheHostHeaderOfTheServices_Is404(string path)
    {
        using var response = await _gateway.SendAsync("GET", path, Tokens.For("mina"),
            headers: [("Host", new Uri(_services.Urls.First()).Authority), ("X-Gateway-Secret", GatewayHost.Secret)]);

        await Problem.IsAsync(response, 404, "NOT_FOUND");
    }
}
