using System.Text.Json;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Gateway.Tests.Upstream;

public sealed class UpstreamFailureHandlerTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public UpstreamFailureHandlerTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Fact]
    public async Task Service_Down_Is503WithRetryAfter()
    {
        // Nothing listens on port 1, so connections are refused at once.
        await using var gateway = await GatewayHost.StartAsync("http://127.0.0.1:1");

        using var response = await gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));

        await Problem.IsAsync(response, 503, "UNAVAILABLE");
        Assert.NotNull(response.Headers.RetryAfter);
    }

    [Theory]
    [InlineData(502)]
    [InlineData(504)]
    public async Task Service_AnsweringWithAGatewayError_Is503WithoutItsPage(int status)
    {
        _upstream.Answer = context =>
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsync("secret details of the inside");
        };

        using var response = await _gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));

        await Problem.IsAsync(response, 503, "UNAVAILABLE");
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.DoesNotContain("inside", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Single(_upstream.Requests);
    }

    [Fact]
    public async Task Service_DroppingTheConnection_Is503WithoutARetry()
    {
        _upstream.Answer = context => { context.Abort(); return Task.CompletedTask; };

        using var response = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), new StringContent("{}"));

        await Problem.IsAsync(response, 503, "UNAVAILABLE");
        Assert.Single(_upstream.Requests);
    }

    [Theory]
    [InlineData("--Limits:UpstreamTimeout=00:00:01")]
    [InlineData("--Limits:RequestTimeout=00:00:01")]
    public async Task Service_Silent_Is503AfterTheTimeout(string setting)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, setting);
        _upstream.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);

        using var response = await gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));

        await Problem.IsAsync(response, 503, "UNAVAILABLE");
        Assert.NotNull(response.Headers.RetryAfter);
    }

    [Fact]
    public async Task Service_RefusingWithAProblem_IsForwardedUnchanged()
    {
        _upstream.Answer = context =>
        {
            context.Response.StatusCode = 409;
            context.Response.Headers.RetryAfter = "7";
            return context.Response.WriteAsJsonAsync(new { code = "SEAT_UNAVAILABLE", seats = new[] { 7 } }, (JsonSerializerOptions?)null,
                "application/problem+json");
        };

        using var response = await _gateway.SendAsync("POST", "/api/reservations", Tokens.For("mina"), new StringContent("{}"));

        Assert.Equal(409, (int)response.StatusCode);
        Assert.Equal("7", response.Headers.RetryAfter?.ToString());
        Assert.Equal("""{"code":"SEAT_UNAVAILABLE","seats":[7]}""", await response.Content.ReadAsStringAsync());
        Problem.HasSecurityHeaders(response);
    }

    [Fact]
    public async Task Answer_InPieces_IsStreamed()
    {
        var goOn = new TaskCompletionSource();
        _upstream.Answer = async context =>
        {
            await context.Response.WriteAsync("first;");
            await context.Response.Body.FlushAsync();
            await goOn.Task;
            await context.Response.WriteAsync("second;");
        };
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));

        using var response = await _gateway.SendAsync("GET", "/api/concerts/1/schedules", Tokens.For("mina"));
        await using var body = await response.Content.ReadAsStreamAsync(limit.Token);
        using var reader = new StreamReader(body);
        var first = new char[6];
        await reader.ReadBlockAsync(first, limit.Token);

        Assert.Equal("first;", new string(first));
        goOn.SetResult();
        Assert.Equal("second;", await reader.ReadToEndAsync(limit.Token));
    }
}
