using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Pages of a service: only operators see them, and their forms come only from themselves.</summary>
public sealed class PageCallerTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public PageCallerTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Theory]
    [InlineData("GET", "/ops", "/ops")]
    [InlineData("GET", "/ops/reservations?state=Confirmed&seat=7", "/ops/reservations?state=Confirmed&seat=7")]
    [InlineData("GET", "/ops/reservations/0197b1d0-0000-7000-8000-000000000001", "/ops/reservations/0197b1d0-0000-7000-8000-000000000001")]
    [InlineData("POST", "/ops/change?x=1", "/ops/change")]
    public async Task Page_WithoutASession_GoesToTheSignIn(string method, string path, string returnUrl)
    {
        using var page = new PageClient(_gateway);

        using var response = await page.SendAsync(method, path);

        Assert.Equal((303, $"/auth/sign-in?returnUrl={Uri.EscapeDataString(returnUrl)}"),
            ((int)response.StatusCode, response.Headers.Location?.OriginalString));
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Page_WithAnInvalidToken_Is401()
    {
        using var response = await _gateway.SendAsync("GET", "/ops", "no token");

        Assert.Equal(401, (int)response.StatusCode);
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("en", "This page is for operators.")]
    [InlineData("ko", "운영자만 볼 수 있는 페이지입니다.")]
    public async Task Page_WithoutTheRole_IsAPageThatSaysSo(string language, string text)
    {
        using var page = new PageClient(_gateway);
        await page.SignInAsync();

        using var response = await page.SendAsync("GET", "/ops/audit", null, ("Accept-Language", language));
        var html = await response.Content.ReadAsStringAsync();

        Assert.Equal((403, "text/html"), ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Contains(text, html, StringComparison.Ordinal);
        Assert.Contains("/auth/sign-in?returnUrl=%2Fops%2Faudit", html, StringComparison.Ordinal);
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Page_OfAnOperator_ShowsItsOwnFilesOnly()
    {
        using var page = await SignInAsync();

        using var response = await page.SendAsync("GET", "/ops/reservations?state=Confirmed");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("/operations/ops/reservations?state=Confirmed", Assert.Single(_upstream.Requests).Target);
        var policy = response.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal("same-origin", response.Headers.GetValues("Referrer-Policy").Single());
    }

    [Fact]
    public async Task Cookies_OfAPage_PassWithoutTheSession()
    {
        using var page = await SignInAsync();
        page.Cookies.Add(new Uri(page.Origin), new System.Net.Cookie("concert-console-language", "ko", "/ops"));

        using var ofPage = await page.SendAsync("GET", "/ops");
        using var ofData = await page.SendAsync("GET", "/ops/api/overview");

        Assert.Equal("concert-console-language=ko", Assert.Single(_upstream.Requests[0].Headers["Cookie"]));
        Assert.False(_upstream.Requests[1].Headers.ContainsKey("Cookie"));
    }

    [Fact]
    public async Task Form_OfTheOwnPage_NeedsNoHeader()
    {
        using var page = await SignInAsync();

        using var response = await page.SendAsync(
            "POST", "/ops/change", new FormUrlEncodedContent([new("a", "b")]), ("Origin", page.Origin));

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(("a=b", "olga"), (Assert.Single(_upstream.Requests).Body, _upstream.Requests[0].Headers["X-User-Id"].Single()));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("null")]
    [InlineData("https://evil.example")]
    public async Task Form_OfAnotherPage_IsRefused(string? origin)
    {
        using var page = await SignInAsync();

        using var response = await page.SendAsync("POST", "/ops/change", new FormUrlEncodedContent([new("a", "b")]),
            origin is null ? [("X-CSRF", "1")] : [("X-CSRF", "1"), ("Origin", origin)]);

        Assert.Equal(403, (int)response.StatusCode);
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("GET", "/ops/api", 404)]
    [InlineData("GET", "/ops/api/nothing", 404)]
    [InlineData("POST", "/ops/api/overview", 405)]
    [InlineData("GET", "/ops/reservations/1/retry", 404)]
    [InlineData("POST", "/ops", 405)]
    public async Task Path_OfTheApi_IsNoPage(string method, string path, int status)
    {
        using var response = await _gateway.SendAsync(method, path, Tokens.For("olga", "ops"));

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Empty(_upstream.Requests);
    }

    private async Task<PageClient> SignInAsync()
    {
        var page = new PageClient(_gateway);
        await page.SignInAsync("olga", "ops");
        _upstream.Reset();
        return page;
    }
}
