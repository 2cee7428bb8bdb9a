using System.Net;
using System.Net.Sockets;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Upstream;

/// <summary>Calls a service with two destinations, of which one refuses connections.</summary>
public sealed class DestinationFailoverTests : IAsyncLifetime
{
    private UpstreamStub _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await UpstreamStub.StartAsync();

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Theory]
    [InlineData("GET", "/api/points", "points")]
    [InlineData("POST", "/api/points/charges", "points")]
    [InlineData("DELETE", "/api/reservations/0197b1d0-0000-7000-8000-000000000001", "orchestrator")]
    [InlineData("GET", "/api/schedules/1/seats", "seats")]
    public async Task Request_WhileOneDestinationRefuses_ReachesTheOther(string method, string path, string cluster)
    {
        await using var gateway = await StartAsync(cluster, "http://127.0.0.1:1");

        for (var i = 0; i < 200; i++)
        {
            var body = method == "POST" ? $"{{\"amount\":{i}}}" : null;
            using var response = await gateway.SendAsync(method, path, Tokens.For($"user-{i}"), body is null ? null
                : new StringContent(body));
            Assert.Equal(200, (int)response.StatusCode);
            Assert.Equal(body ?? "", _upstream.Requests[^1].Body);
        }

        Assert.Equal(200, _upstream.Requests.Length);
    }

    [Fact]
    public async Task Destination_ThatRecovers_IsUsedAgainAfterAFewSeconds()
    {
        var port = FreePort();
        await using var gateway = await StartAsync("points", $"http://127.0.0.1:{port}");
        for (var i = 0; i < 20; i++)
            await OkAsync(gateway);
        using var listener = new HttpListener { Prefixes = { $"http://127.0.0.1:{port}/" } };
        listener.Start();
        var reached = listener.GetContextAsync();

        while (!reached.IsCompleted)
        {
            var request = OkAsync(gateway);
            if (await Task.WhenAny(request, reached) == reached)
                (await reached).Response.Close();
            await request;
        }
    }

    [Fact]
    public async Task Destinations_AllRefusing_Are503UntilOneRecovers()
    {
        var port = FreePort();
        await using var gateway = await GatewayHost.StartAsync("http://127.0.0.1:1", null,
            "--ReverseProxy:Clusters:points:Destinations:two:Address=http://127.0.0.1:" + port);
        for (var i = 0; i < 5; i++)
        {
            using var refused = await gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));
            await Problem.IsAsync(refused, 503, "UNAVAILABLE");
        }
        using var listener = new HttpListener { Prefixes = { $"http://127.0.0.1:{port}/" } };
        listener.Start();
        var reached = listener.GetContextAsync();

        var request = OkAsync(gateway);
        (await reached.WaitAsync(TimeSpan.FromSeconds(60))).Response.Close();
        await request;
    }

    [Fact]
    public async Task Request_ThatMayHaveArrived_IsNotRetried()
    {
        _upstream.Answer = context => { context.Abort(); return Task.CompletedTask; };
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null,
            $"--ReverseProxy:Clusters:points:Destinations:two:Address={_upstream.Address}/points");

        using var response = await gateway.SendAsync("POST", "/api/points/charges", Tokens.For("mina"), new StringContent("{}"));

        await Problem.IsAsync(response, 503, "UNAVAILABLE");
        Assert.Single(_upstream.Requests);
    }

    private static async Task OkAsync(GatewayHost gateway)
    {
        using var response = await gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));
        Assert.Equal(200, (int)response.StatusCode);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private Task<GatewayHost> StartAsync(string cluster, string other) => GatewayHost.StartAsync(_upstream.Address, null,
        $"--ReverseProxy:Clusters:{cluster}:Destinations:two:Address={other}", "--RateLimits:Read:Burst=100000",
            "--RateLimits:Poll:Burst=1000", "--RateLimits:Booking:Burst=1000");
}
