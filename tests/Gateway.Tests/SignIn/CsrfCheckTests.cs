using System.Net.Http.Json;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Changes by a session cookie come only from the gateway's own pages.</summary>
public sealed class CsrfCheckTests : IClassFixture<CsrfCheckTests.SignedIn>
{
    private const string Own = "own";

    private readonly PageClient _page;
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public CsrfCheckTests(SignedIn fixture)
    {
        _page = fixture.Page;
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    /// <summary>The values of <c>X-CSRF</c> and <c>Origin</c>; null if the header is missing.</summary>
    public static TheoryData<string?, string?> Foreign => new()
    {
        { null, Own }, { "", Own }, { "0", Own }, { "true", Own }, { "1, 1", Own },
        { "1", null }, { "1", "" }, { "1", "null" }, { "1", "https://evil.example" }, { "1", "http://127.0.0.1" },
        { "1", "http://127.0.0.1:1" }, { "1", "http://127.0.0.1.evil.example" }, { "1", $"{Own}/" }, { "1", $"{Own}, {Own}" },
        { "1", "https-own" }
    };

    [Theory, MemberData(nameof(Foreign))]
    public async Task Change_FromAnotherPage_IsRefused(string? header, string? origin)
    {
        foreach (var (method, path) in new[] { ("POST", "/api/points/charges"), ("DELETE", "/api/queue/tokens/current"),
            ("POST", "/auth/sign-out"), ("POST", "/auth/sign-out/"), ("PATCH", "/ops/api/waiting-rooms/1") })
        {
            using var response = await _page.SendAsync(method, path, null, Headers(header, origin));
            await Problem.IsAsync(response, 403, "CSRF_REJECTED");
        }
        Assert.Empty(_upstream.Requests);
        Assert.Equal(200, await _page.StatusOfAsync());
    }

    [Fact]
    public async Task Change_FromOwnPage_IsForwarded()
    {
        using var response = await _page.ChangeAsync("POST", "/api/points/charges", JsonContent.Create(new { amount = 1 }));

        Assert.Equal(200, (int)response.StatusCode);
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal("mina", seen.Headers["X-User-Id"].Single());
        Assert.False(seen.Headers.ContainsKey("Cookie") || seen.Headers.ContainsKey("X-CSRF"));
    }

    [Fact]
    public async Task Read_FromAnyPage_IsForwardedAndPrivate()
    {
        using var response = await _page.SendAsync("GET", "/api/points", null, ("Origin", "https://evil.example"));

        Assert.Equal(200, (int)response.StatusCode);
        Assert.True(response.Headers.CacheControl!.Private);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("https://evil.example")]
    public async Task Change_ByABearerToken_NeedsNeither(string? origin)
    {
        using var response = await _gateway.SendAsync("POST", "/api/points/charges", Tokens.For("tom"),
            JsonContent.Create(new { amount = 1 }), origin is null ? [] : [("Origin", origin)]);

        Assert.Equal(200, (int)response.StatusCode);
    }

    /// <summary>A bearer token wins over the cookie, even if it is invalid.</summary>
    [Fact]
    public async Task Request_WithBothCredentials_IsThatOfTheBearerToken()
    {
        using var both = await _page.SendAsync("POST", "/api/points/charges", JsonContent.Create(new { amount = 1 }),
            ("Authorization", $"Bearer {Tokens.For("tom")}"));
        Assert.Equal(200, (int)both.StatusCode);
        Assert.Equal("tom", Assert.Single(_upstream.Requests).Headers["X-User-Id"].Single());

        foreach (var invalid in new[] { "Bearer nonsense", "Bearer", "Basic bWluYTptaW5h", $"Bearer {_page.Session}" })
        {
            using var response = await _page.SendAsync("GET", "/api/points", null, ("Authorization", invalid));
            await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        }
    }

    /// <summary>Behind a proxy, the browser's origin has the scheme that the proxy reports.</summary>
    [Theory]
    [InlineData("https://shop.example", 200)]
    [InlineData("https://SHOP.example", 200)]
    [InlineData("http://shop.example", 403)]
    [InlineData("https://shop.example:8443", 403)]
    [InlineData("https://evil.shop.example", 403)]
    public async Task Change_BehindAProxy_NeedsThePublicOrigin(string origin, int status)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--ForwardedHeaders:KnownProxies=127.0.0.1");
        var proxied = await ProxiedSession.SignInAsync(gateway, "shop.example");

        using var response = await gateway.SendAsync("POST", "/api/points/charges", null, JsonContent.Create(new { amount = 1 }),
            [.. proxied.Headers, ("X-CSRF", "1"), ("Origin", origin)]);

        Assert.Equal(status, (int)response.StatusCode);
    }

    private (string, string)[] Headers(string? header, string? origin) =>
    [
        .. header is null ? Array.Empty<(string, string)>() : [("X-CSRF", header)],
        .. origin is null ? Array.Empty<(string, string)>() : [("Origin", (origin == "https-own"
            ? _page.Origin.Replace("http:", "https:", StringComparison.Ordinal)
            : origin.Replace(Own, _page.Origin, StringComparison.Ordinal)))]
    ];

    public sealed class SignedIn : IAsyncLifetime
    {
        public UpstreamStub Upstream { get; private set; } = null!;

        public GatewayHost Gateway { get; private set; } = null!;

        public PageClient Page { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Upstream = await UpstreamStub.StartAsync();
            Gateway = await GatewayHost.StartAsync(Upstream.Address);
            Page = new PageClient(Gateway);
            await Page.SignInAsync();
        }

        public async ValueTask DisposeAsync()
        {
            Page.Dispose();
            await Gateway.DisposeAsync();
            await Upstream.DisposeAsync();
        }
    }
}
