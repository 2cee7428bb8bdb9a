using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.SignIn;

public sealed class DemoSignInTests : IClassFixture<GatewayFixture>
{
    private static readonly IPAddress Remote = IPAddress.Parse("203.0.113.9");

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public DemoSignInTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Fact]
    public async Task SignIn_WithAnyName_IssuesAValidToken()
    {
        using var response = await SignInAsync(_gateway, """{"userId":"mina","roles":["ops"]}""");

        Assert.Equal(200, (int)response.StatusCode);
        var token = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(["accessToken", "expiresAt"], token.EnumerateObject().Select(member => member.Name));
        var left = token.GetProperty("expiresAt").GetDateTimeOffset() - TimeProvider.System.GetUtcNow();
        Assert.InRange(left.TotalHours, 11.9, 12);
        Assert.EndsWith("+00:00", token.GetProperty("expiresAt").GetString()!.Replace("Z", "+00:00", StringComparison.Ordinal),
            StringComparison.Ordinal);

        using var points = await _gateway.SendAsync("GET", "/api/points", token.GetProperty("accessToken").GetString());
        Assert.Equal(200, (int)points.StatusCode);
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal(("mina", "ops"), (seen.Headers["X-User-Id"].Single(), seen.Headers["X-User-Roles"].Single()));
    }

    [Theory]
    [InlineData("""{"userId":"a"}""")]
    [InlineData("""{"userId":"Mina.Park_1@example-site","roles":[]}""")]
    [InlineData("""{"userId":"mina","roles":null}""")]
    public async Task SignIn_WithAValidBody_Is200(string body)
    {
        using var response = await SignInAsync(_gateway, body);

        Assert.Equal(200, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("", 400, "BAD_REQUEST")]
    [InlineData("null", 400, "BAD_REQUEST")]
    [InlineData("{", 400, "BAD_REQUEST")]
    [InlineData("""{"userId":7}""", 400, "BAD_REQUEST")]
    [InlineData("""{"userId":"mina","roles":"ops"}""", 400, "BAD_REQUEST")]
    [InlineData("{}", 422, "INVALID_USER_ID")]
    [InlineData("""{"userId":""}""", 422, "INVALID_USER_ID")]
    [InlineData("""{"userId":"a b"}""", 422, "INVALID_USER_ID")]
    [InlineData("""{"userId":"mina\r\nX-User-Roles: ops"}""", 422, "INVALID_USER_ID")]
    [InlineData("""{"userId":"minä"}""", 422, "INVALID_USER_ID")]
    [InlineData("""{"userId":"12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"}""",
        422, "INVALID_USER_ID")]
    [InlineData("""{"userId":"mina","roles":["fan,ops"]}""", 422, "INVALID_ROLES")]
    [InlineData("""{"userId":"mina","roles":[null]}""", 422, "INVALID_ROLES")]
    public async Task SignIn_WithAnInvalidBody_IsRefused(string body, int status, string code)
    {
        using var response = await SignInAsync(_gateway, body);

        var problem = await Problem.IsAsync(response, status, code);
        Assert.True(problem.TryGetProperty("errors", out _));
    }

    [Fact]
    public async Task SignIn_WithoutJson_Is415()
    {
        using var response = await _gateway.SendAsync("POST", "/auth/demo",
            content: new StringContent("userId=mina", Encoding.UTF8, "application/x-www-form-urlencoded"));

        await Problem.IsAsync(response, 415, "UNSUPPORTED_MEDIA_TYPE");
    }

    [Theory]
    [InlineData("POST", "/auth/demo")]
    [InlineData("GET", "/auth/demo")]
    [InlineData("POST", "/AUTH/demo/")]
    public async Task SignIn_FromAnotherMachine_Is404WhateverTheMethod(string method, string path)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, Remote);

        using var response = await gateway.SendAsync(method, path, content: method == "POST" ? JsonContent.Create(new { userId = "mina" })
            : null);

        await Problem.IsAsync(response, 404, "NOT_FOUND");
    }

    [Fact]
    public async Task SignIn_FromAnAllowedRemoteMachine_Is200()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, Remote, "--Authentication:Demo:AllowRemote=true");

        using var response = await SignInAsync(gateway, """{"userId":"mina"}""");

        Assert.Equal(200, (int)response.StatusCode);
    }

    [Fact]
    public async Task SignIn_WithAForgedLocalAddress_Is404()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, Remote);

        using var response = await gateway.SendAsync("POST", "/auth/demo", content: JsonContent.Create(new { userId = "mina" }),
            headers: [("X-Forwarded-For", "127.0.0.1")]);

        await Problem.IsAsync(response, 404, "NOT_FOUND");
    }

    [Theory]
    [InlineData("X-Forwarded-For", "203.0.113.9")]
    [InlineData("Forwarded", "for=203.0.113.9")]
    public async Task SignIn_ThroughAnUnknownProxy_Is404(string header, string value)
    {
        using var response = await _gateway.SendAsync("POST", "/auth/demo", content: JsonContent.Create(new { userId = "mina" }),
            headers: [(header, value)]);

        await Problem.IsAsync(response, 404, "NOT_FOUND");
    }

    [Theory]
    [InlineData("203.0.113.9", 404)]
    [InlineData("127.0.0.1", 200)]
    public async Task SignIn_ThroughAKnownProxy_DependsOnTheForwardedAddress(string caller, int status)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--ForwardedHeaders:KnownProxies=127.0.0.1");

        using var response = await gateway.SendAsync("POST", "/auth/demo", content: JsonContent.Create(new { userId = "mina" }),
            headers: [("X-Forwarded-For", caller)]);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("GET")]
    public async Task SignIn_Disabled_Is404(string method)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null,
            "--Authentication:Demo:Enabled=false", "--Authentication:Authority=https://login.example",
                "--Authentication:Audience=concertsaga");

        using var response = await gateway.SendAsync(method, "/auth/demo", content: method == "POST"
            ? JsonContent.Create(new { userId = "mina" }) : null);

        await Problem.IsAsync(response, 404, "NOT_FOUND");
    }

    [Fact]
    public async Task Token_OfAnEarlierStartWithoutAKey_Is401()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Authentication:Demo:Key=");

        using var response = await gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));

        await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
    }

    private static Task<HttpResponseMessage> SignInAsync(GatewayHost gateway, string body) =>
        gateway.SendAsync("POST", "/auth/demo", content: new StringContent(body, Encoding.UTF8, "application/json"));
}
