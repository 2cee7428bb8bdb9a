using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Pages sign in at an OpenID provider over HTTP, and stay signed in by its refresh tokens.</summary>
public sealed class IssuerSignInTests : IAsyncLifetime
{
    private readonly string _keys = Directory.CreateTempSubdirectory("concertsaga-keys-").FullName;
    private readonly LogRecorder _log = new();
    private TestIssuer _issuer = null!;
    private UpstreamStub _upstream = null!;
    private GatewayHost _gateway = null!;
    private PageClient _page = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await UpstreamStub.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        _gateway = await StartAsync();
        _page = new PageClient(_gateway);
    }

    public async ValueTask DisposeAsync()
    {
        _page.Dispose();
        await _gateway.DisposeAsync();
        await _issuer.DisposeAsync();
        await _upstream.DisposeAsync();
        Directory.Delete(_keys, recursive: true);
        Assert.DoesNotContain(_log.All, line => _issuer.Secrets.Any(secret =>
            $"{line.Text}{line.Exception}".Contains(secret, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task SignIn_AtTheIssuer_StartsASessionAndReturns()
    {
        _issuer.Roles = ["ops"];

        await SignInAsync("/api/points?a=1");

        var session = await _page.ReadSessionAsync();
        Assert.Equal(("mina", "Mina Park", "ops"), (session.GetProperty("userId").GetString(), session.GetProperty("name").GetString(),
            session.GetProperty("roles")[0].GetString()));
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal(("/points/api/points?a=1", "mina", "ops"), (seen.Target, seen.Headers["X-User-Id"].Single(),
            seen.Headers["X-User-Roles"].Single()));
        Assert.InRange(_page.Session!.Length, 80, 200);
    }

    [Fact]
    public async Task SignIn_BegunOnOneGateway_EndsOnAnother()
    {
        await using var other = await StartAsync();
        var callback = await BeginAsync(_page);
        using var there = new PageClient(other, _page.Cookies);

        // The issuer redirects to the address of the site, where any gateway may answer.
        using var response = await there.SendAsync("GET", new Uri(callback).PathAndQuery, null, ("Host", new Uri(_page.Origin).Authority));

        Assert.Equal((302, "/"), ((int)response.StatusCode, response.Headers.Location!.OriginalString));
        Assert.Equal(200, await _page.StatusOfAsync());
    }

    [Theory]
    [InlineData("//evil.example")]
    [InlineData("https://evil.example")]
    [InlineData("/%2F/evil.example")]
    public async Task SignIn_ReturningElsewhere_ReturnsHome(string returnUrl)
    {
        var callback = await BeginAsync(_page, returnUrl);

        using var response = await _page.SendAsync("GET", callback);

        Assert.Equal((302, "/"), ((int)response.StatusCode, response.Headers.Location!.OriginalString));
    }

    public static TheoryData<string, string, string?> WrongTokens => new()
    {
        { "id", "iss", "https://evil.example" }, { "id", "aud", "another-client" }, { "id", "nonce", "another-nonce" },
        { "id", "nonce", null }, { "id", "sub", "tom" }, { "id", "exp", null },
        { "access", "iss", "https://evil.example" }, { "access", "aud", "another-api" }, { "access", "sub", "tom" },
        { "access", "sub", null }, { "access", "sub", "mina\r\nX-User-Roles: ops" }
    };

    [Theory, MemberData(nameof(WrongTokens))]
    public async Task SignIn_WithAWrongToken_IsRefused(string token, string claim, string? value)
    {
        Action<System.Text.Json.Nodes.JsonObject> change = claims => claims[claim] = value;
        if (token == "id")
            _issuer.ChangeIdToken = change;
        else
            _issuer.ChangeAccessToken = change;

        await AssertRefusedAsync(_page, await BeginAsync(_page));
    }

    [Fact]
    public async Task Callback_WithAWrongState_IsRefused()
    {
        var callback = await BeginAsync(_page);
        var state = new Uri(callback).Query.Split("state=")[1];
        var other = (await BeginAsync(_page)).Split("state=")[1];

        foreach (var wrong in new[] { callback.Replace(state, "", StringComparison.Ordinal), callback.Split("&state")[0],
            callback.Replace(state, $"{state[..^6]}AAAAAA", StringComparison.Ordinal), $"{_page.Origin}/auth/callback",
            $"{_page.Origin}/auth/callback?error=access_denied" })
            await AssertRefusedAsync(_page, wrong);
        Assert.NotEqual(state, other);
    }

    [Fact]
    public async Task Callback_WithAWrongCode_IsRefused()
    {
        var callback = await BeginAsync(_page);
        var code = callback.Split("code=")[1].Split('&')[0];

        await AssertRefusedAsync(_page, callback.Replace(code, $"{code[..^4]}AAAA", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Code_UsedTwice_IsRefused()
    {
        var callback = await BeginAsync(_page);
        var before = Copy(_page);
        using var first = await _page.SendAsync("GET", callback);
        Assert.Equal(302, (int)first.StatusCode);
        using var thief = new PageClient(_gateway, before);

        await AssertRefusedAsync(thief, callback);
        using var second = await _page.SendAsync("GET", callback);
        Assert.Equal(400, (int)second.StatusCode);
        Assert.Equal(200, await _page.StatusOfAsync());
    }

    /// <summary>An attacker who sends his own callback to a customer does not sign the customer in as himself.</summary>
    [Fact]
    public async Task Callback_OfAnotherBrowser_IsRefused()
    {
        using var attacker = new PageClient(_gateway);
        _issuer.UserId = "mallory";
        var callback = await BeginAsync(attacker);
        await AssertRefusedAsync(_page, callback);

        // A neighbouring host of the attacker can plant the framework's cookies, but not the one with the prefix of this host.
        var planted = Copy(attacker);
        planted.GetCookies(_gateway.Address)["concert-start"]!.Expired = true;
        using var victim = new PageClient(_gateway, planted);
        await AssertRefusedAsync(victim, callback);
    }

    [Fact]
    public async Task Access_Denied_OffersAnotherAttempt()
    {
        var state = (await BeginAsync(_page, "/concerts/1")).Split("state=")[1];

        using var response = await _page.SendAsync("GET", $"/auth/callback?error=access_denied&state={state}", null,
            ("Accept-Language", "ko"));

        var html = await response.Content.ReadAsStringAsync();
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("/auth/sign-in?returnUrl=%2Fconcerts%2F1", html, StringComparison.Ordinal);
        Assert.Contains("다시 시도", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SignIn_DuringAnOutage_SaysSoAndWorksLater()
    {
        _issuer.IsDown = true;
        using var page = await _page.SendAsync("GET", "/auth/sign-in");
        Assert.Equal((503, "text/html"), ((int)page.StatusCode, page.Content.Headers.ContentType?.MediaType));
        Assert.NotNull(page.Headers.RetryAfter);

        _issuer.IsDown = false;
        var callback = await BeginAsync(_page);
        _issuer.IsDown = true;
        using var down = await _page.SendAsync("GET", callback);
        Assert.Equal(503, (int)down.StatusCode);
        _issuer.IsDown = false;
        await SignInAsync();
        Assert.Single(_log.Warnings, line => line.Category.EndsWith("IssuerSignInOutage", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SignIn_WithAWrongClientSecret_IsLoggedForTheOperator()
    {
        await using var gateway = await StartAsync("--Authentication:Pages:ClientSecret=wrong");
        using var page = new PageClient(gateway);

        using var response = await page.SendAsync("GET", await BeginAsync(page));

        Assert.Equal(503, (int)response.StatusCode);
        Assert.Contains(_log.Warnings, line => $"{line.Text}{line.Exception}".Contains("invalid_client", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Callbacks_RepeatedQuickly_AreLimited()
    {
        await using var gateway = await StartAsync("--RateLimits:SignIn:PerSecond=1", "--RateLimits:SignIn:Burst=2");
        using var page = new PageClient(gateway);
        var callback = await BeginAsync(page);
        var cookies = Copy(page);
        var statuses = new List<int>();
        for (var i = 0; i < 4; i++)
        {
            using var again = new PageClient(gateway, Copy(cookies));
            statuses.Add(await again.StatusOfAsync(callback));
        }

        Assert.Equal([302, 400, 429, 429], statuses);
        Assert.Equal(2, _issuer.Calls.Count(call => call == "/token authorization_code"));
    }

    [Fact]
    public async Task Route_OfRemoteSignOut_DoesNotExist()
    {
        await SignInAsync();
        foreach (var path in new[] { "/signout-oidc", "/signin-oidc", "/signout-callback-oidc" })
            Assert.Equal(404, await _page.StatusOfAsync(path));
        Assert.Equal(200, await _page.StatusOfAsync());
    }

    [Fact]
    public async Task SignIn_WithoutAClient_DoesNotExist()
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, null, "--Authentication:Demo:Enabled=false",
            $"--Authentication:Authority={_issuer.Address}", $"--Authentication:Audience={TestIssuer.Audience}");

        foreach (var path in new[] { "/auth/sign-in", "/auth/session", "/auth/callback" })
        {
            using var response = await gateway.SendAsync("GET", path);
            await Problem.IsAsync(response, 404, "NOT_FOUND");
        }
        using var bearer = await gateway.SendAsync("GET", "/api/points", _issuer.AccessToken());
        Assert.Equal(200, (int)bearer.StatusCode);
    }

    [Fact]
    public async Task Page_InABrowser_SignsInAtTheIssuer()
    {
        var visit = await Browser.OpenAsync(new Uri(_gateway.Address, "/auth/sign-in?returnUrl=/auth/session"));

        Assert.Contains("\"userId\":\"mina\"", visit.Page, StringComparison.Ordinal);
        Assert.Contains("/token authorization_code", _issuer.Calls);
    }

    private static System.Net.CookieContainer Copy(PageClient page) => Copy(page.Cookies);

    private static System.Net.CookieContainer Copy(System.Net.CookieContainer cookies)
    {
        var copy = new System.Net.CookieContainer();
        copy.Add(cookies.GetAllCookies());
        return copy;
    }

    /// <summary>Begins a sign-in, and returns the address to which the issuer redirects the browser.</summary>
    private static async Task<string> BeginAsync(PageClient page, string returnUrl = "/")
    {
        using var begun = await page.SendAsync("GET", $"/auth/sign-in?returnUrl={Uri.EscapeDataString(returnUrl)}");
        Assert.Equal(302, (int)begun.StatusCode);
        using var approved = await page.SendAsync("GET", begun.Headers.Location!.OriginalString);
        Assert.Equal(302, (int)approved.StatusCode);
        return approved.Headers.Location!.OriginalString;
    }

    private static async Task AssertRefusedAsync(PageClient page, string callback)
    {
        using var response = await page.SendAsync("GET", callback);

        Assert.Equal((400, "text/html"), ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Equal((null, null), (page.Session, page.Renewal));
    }

    private async Task SignInAsync(string returnUrl = "/api/points")
    {
        using var response = await _page.OpenAsync($"/auth/sign-in?returnUrl={Uri.EscapeDataString(returnUrl)}");
        Assert.Equal(200, (int)response.StatusCode);
    }

    private Task<GatewayHost> StartAsync(params string[] settings) => GatewayHost.StartWithAsync(_upstream.Address, builder =>
    {
        builder.Services.AddSingleton<TimeProvider>(_issuer.Clock);
        builder.Logging.AddProvider(_log);
    }, [.. _issuer.Settings(_keys), .. settings]);
}
