using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>The form of the demo sign-in, as a browser without scripts uses it.</summary>
public sealed class DemoFormTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public DemoFormTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Theory]
    [InlineData(null, "en", "Sign in")]
    [InlineData("de, fr;q=0.5", "en", "Sign in")]
    [InlineData("ko-KR,ko;q=0.9,en-US;q=0.8", "ko", "로그인")]
    [InlineData("en;q=0.5, ko;q=0.8", "ko", "로그인")]
    [InlineData("ko;q=0, en;q=0.1", "en", "Sign in")]
    [InlineData("KO", "ko", "로그인")]
    [InlineData(";;;", "en", "Sign in")]
    public async Task Form_ByLanguage_IsPlainHtmlWithAStrictPolicy(string? accepted, string language, string title)
    {
        using var page = await _gateway.SendAsync("GET", "/auth/sign-in?returnUrl=/concerts/1%3Fa=%2522", headers:
            accepted is null ? [] : [("Accept-Language", accepted)]);
        var html = await page.Content.ReadAsStringAsync();

        Assert.Equal((200, "text/html"), ((int)page.StatusCode, page.Content.Headers.ContentType?.MediaType));
        Assert.Contains($"<html lang=\"{language}\">", html, StringComparison.Ordinal);
        Assert.Contains($"<h1>{title}</h1>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<style", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("style=", html, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(
            "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
            page.Headers.GetValues("Content-Security-Policy").Single());
        Assert.Equal("same-origin", page.Headers.GetValues("Referrer-Policy").Single());
        Assert.True(page.Headers.CacheControl!.NoStore);
    }

    [Fact]
    public async Task Form_Submitted_StartsASessionAndReturns()
    {
        using var page = new PageClient(_gateway);

        using var response = await page.SubmitAsync(await page.ReadFormTokenAsync(), "mina", "/concerts/1?a=b", ["ops"]);

        Assert.Equal((303, "/concerts/1?a=b"), ((int)response.StatusCode, response.Headers.Location!.OriginalString));
        var session = await page.ReadSessionAsync();
        Assert.Equal("userId,name,roles,expiresAt", string.Join(',', session.EnumerateObject().Select(member => member.Name)));
        Assert.Equal(("mina", "mina", "ops"), (session.GetProperty("userId").GetString(), session.GetProperty("name").GetString(),
            session.GetProperty("roles")[0].GetString()));
        Assert.Equal(200, await page.StatusOfAsync("/ops/api/waiting-rooms/1"));
    }

    [Theory]
    [InlineData("//evil.example")]
    [InlineData("/\\evil.example")]
    [InlineData("https://evil.example")]
    public async Task Form_ReturningElsewhere_ReturnsHome(string returnUrl)
    {
        using var page = new PageClient(_gateway);

        using var response = await page.SubmitAsync(await page.ReadFormTokenAsync(), "mina", returnUrl);

        Assert.Equal((303, "/"), ((int)response.StatusCode, response.Headers.Location!.OriginalString));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("<b>")]
    [InlineData("민아")]
    public async Task Form_WithAnInvalidUserId_IsShownAgain(string userId)
    {
        using var page = new PageClient(_gateway);

        using var response = await page.SubmitAsync(await page.ReadFormTokenAsync(), userId, "/");

        Assert.Equal(422, (int)response.StatusCode);
        Assert.Contains("role=\"alert\"", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Null(page.Session);
    }

    /// <summary>Another page cannot sign the customer in as someone else.</summary>
    [Theory]
    [InlineData("https://evil.example")]
    [InlineData("null")]
    [InlineData("")]
    public async Task Form_FromAnotherPage_SignsNoOneIn(string origin)
    {
        using var page = new PageClient(_gateway);

        using var response = await page.SubmitAsync(await page.ReadFormTokenAsync(), "mallory", "/", origin: origin);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Null(page.Session);
    }

    [Fact]
    public async Task Form_WithAMissingOrForeignToken_SignsNoOneIn()
    {
        using var attacker = new PageClient(_gateway);
        using var page = new PageClient(_gateway);
        var own = await page.ReadFormTokenAsync();
        foreach (var token in new[] { "", "nonsense", await attacker.ReadFormTokenAsync(), $"{own[..^4]}AAAA" })
        {
            using var response = await page.SubmitAsync(token, "mallory", "/");
            Assert.Equal(400, (int)response.StatusCode);
        }
        Assert.Null(page.Session);
    }

    [Fact]
    public async Task Form_OfAnotherMediaType_IsRefused()
    {
        using var response = await _gateway.SendAsync("POST", "/auth/sign-in", null, new StringContent("{}"));

        await Problem.IsAsync(response, 415, "UNSUPPORTED_MEDIA_TYPE");
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Form_FromAnotherMachine_Is404(string method)
    {
        await using var gateway = await GatewayHost.StartAsync(_upstream.Address, System.Net.IPAddress.Parse("203.0.113.9"));

        using var response = await gateway.SendAsync(method, "/auth/sign-in");

        await Problem.IsAsync(response, 404, "NOT_FOUND");
    }

    [Fact]
    public async Task Form_OverPlainHttpOfAnotherHost_AsksForHttps()
    {
        using var response = await _gateway.SendAsync("GET", "/auth/sign-in", headers: [("Host", "shop.example")]);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("https", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    /// <summary>The browser enforces the policy of the form, and decides which origin and cookies it sends.</summary>
    [Fact]
    public async Task Form_InABrowser_SignsInAndOut()
    {
        await using var tab = await BrowserTab.OpenAsync(new Uri(_gateway.Address, "/auth/sign-in?returnUrl=/auth/session"));
        await tab.ShowsAsync("Sign in as an operator");

        await tab.RunAsync("document.getElementById('userId').value = 'mina'; document.querySelector('button').click()");
        await tab.ShowsAsync("\"userId\":\"mina\"");

        await tab.BypassPolicyAsync();
        await tab.ShowsAsync("complete");
        await tab.ShowsAsync("\"userId\":\"mina\"");
        Assert.Equal("200", await StatusAsync("/api/points", "{}"));
        Assert.Equal("403", await StatusAsync("/auth/sign-out", "{ method: 'POST' }"));
        Assert.Equal("200", await StatusAsync("/auth/sign-out", "{ method: 'POST', headers: { 'X-CSRF': '1' } }"));
        Assert.Equal("401", await StatusAsync("/api/points", "{}"));

        Task<string> StatusAsync(string path, string request) =>
            tab.RunAsync($"fetch('{path}', {request}).then(answer => '' + answer.status)");
    }
}
