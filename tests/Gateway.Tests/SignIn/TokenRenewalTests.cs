using System.Text.Json;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Sessions are renewed at the issuer before their tokens end, and end there with the sign-out.</summary>
public sealed class TokenRenewalTests : IAsyncLifetime
{
    private readonly string _keys = Directory.CreateTempSubdirectory("concertsaga-keys-").FullName;
    private TestIssuer _issuer = null!;
    private UpstreamStub _upstream = null!;
    private GatewayHost _gateway = null!;
    private PageClient _page = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await UpstreamStub.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        _gateway = await StartAsync(_keys);
        _page = new PageClient(_gateway);
    }

    public async ValueTask DisposeAsync()
    {
        _page.Dispose();
        await _gateway.DisposeAsync();
        await _issuer.DisposeAsync();
        await _upstream.DisposeAsync();
        Directory.Delete(_keys, recursive: true);
    }

    private int Renewals => _issuer.Calls.Count(call => call == "/token refresh_token");

    /// <summary>While the access token is valid for longer, the gateway renews the session without the issuer.</summary>
    [Fact]
    public async Task Session_OfALongToken_IsRenewedWithoutTheIssuer()
    {
        await SignInAsync();
        _issuer.Clock.Advance(TimeSpan.FromMinutes(8));
        await _page.ReadSessionAsync();

        Assert.Equal(0, Renewals);
        _issuer.Clock.Advance(TimeSpan.FromMinutes(8));
        Assert.Equal(200, await _page.StatusOfAsync());
    }

    [Fact]
    public async Task Session_BeforeItsTokenEnds_IsRenewedAtTheIssuer()
    {
        _issuer.TokenLifetime = TimeSpan.FromMinutes(6);
        await SignInAsync();
        var first = await _page.ReadSessionAsync();
        Assert.InRange((EndOf(first) - _issuer.Clock.GetUtcNow()).TotalMinutes, 5.9, 6);
        for (var round = 1; round <= 3; round++)
        {
            _issuer.Clock.Advance(TimeSpan.FromMinutes(4));
            _issuer.Roles = [$"round-{round}"];
            var session = await _page.ReadSessionAsync();
            Assert.Equal(round, Renewals);
            Assert.Equal((_issuer.Roles[0], "Mina Park"),
                (session.GetProperty("roles")[0].GetString(), session.GetProperty("name").GetString()));
            Assert.Equal(200, await _page.StatusOfAsync());
        }
    }

    [Fact]
    public async Task Renewal_Refused_EndsTheSession()
    {
        _issuer.TokenLifetime = TimeSpan.FromMinutes(6);
        await SignInAsync();
        using var thief = new PageClient(_gateway, Copy());
        Assert.Equal(200, await thief.StatusOfAsync());
        _issuer.RefusesRenewal = true;
        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));

        using var response = await _page.SendAsync("GET", "/auth/session");

        await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        Assert.Equal((null, null), (_page.Session, _page.Renewal));
        Assert.Equal(401, await thief.StatusOfAsync());
    }

    /// <summary>A renewal for another user is an error of the issuer, and must not turn one customer into another.</summary>
    [Fact]
    public async Task Renewal_ForAnotherUser_EndsTheSession()
    {
        _issuer.TokenLifetime = TimeSpan.FromMinutes(6);
        await SignInAsync();
        _issuer.UserId = "tom";
        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));

        Assert.Equal(401, await _page.StatusOfAsync("/auth/session"));
        Assert.Null(_page.Session);
    }

    [Fact]
    public async Task Renewal_DuringAnOutage_KeepsTheSessionForLater()
    {
        _issuer.TokenLifetime = TimeSpan.FromMinutes(6);
        await SignInAsync();
        _issuer.IsDown = true;
        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));
        await _page.ReadSessionAsync();
        Assert.Equal(200, await _page.StatusOfAsync());

        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(401, await _page.StatusOfAsync());
        using var response = await _page.SendAsync("GET", "/auth/session");
        await Problem.IsAsync(response, 503, "UNAVAILABLE");

        _issuer.IsDown = false;
        await _page.ReadSessionAsync();
        Assert.Equal(200, await _page.StatusOfAsync());
    }

    /// <summary>The refresh token has one use, so a second use would end the session of a customer with two tabs.</summary>
    [Fact]
    public async Task Renewal_ByTwoTabsAtOnce_UsesTheTokenOnce()
    {
        _issuer.TokenLifetime = TimeSpan.FromMinutes(6);
        await SignInAsync();
        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));
        _issuer.RenewalDelay = TimeSpan.FromMilliseconds(200);
        PageClient[] tabs = [.. Enumerable.Range(0, 4).Select(_ => new PageClient(_gateway, Copy()))];

        var statuses = await Task.WhenAll(tabs.Select(tab => tab.StatusOfAsync("/auth/session")));

        Assert.Equal([200, 200, 200, 200], statuses);
        Assert.Equal(1, Renewals);
        using var late = new PageClient(_gateway, Copy());
        Assert.Equal(200, await late.StatusOfAsync("/auth/session"));
        Assert.Equal(1, Renewals);
        foreach (var tab in tabs)
            tab.Dispose();
    }

    [Fact]
    public async Task Session_WithoutARefreshToken_EndsWithItsAccessToken()
    {
        _issuer.HasRefreshTokens = false;
        _issuer.TokenLifetime = TimeSpan.FromMinutes(15);
        await SignInAsync();
        _issuer.Clock.Advance(TimeSpan.FromMinutes(9));
        var session = await _page.ReadSessionAsync();
        Assert.InRange((EndOf(session) - _issuer.Clock.GetUtcNow()).TotalMinutes, 5.9, 6);

        _issuer.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal(401, await _page.StatusOfAsync("/auth/session"));
        Assert.Equal((null, null), (_page.Session, _page.Renewal));
    }

    [Fact]
    public async Task SignOut_ByThePage_EndsTheSessionAtTheIssuerToo()
    {
        _issuer.TokenLifetime = TimeSpan.FromMinutes(6);
        await SignInAsync();
        var stolen = Copy();
        await using var other = await StartAsync(_keys);

        using var response = await _page.ChangeAsync("POST", "/auth/sign-out");

        var address = new Uri(JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("redirectTo")
            .GetString()!);
        Assert.Equal($"{_issuer.Address}/end-session", address.GetLeftPart(UriPartial.Path));
        Assert.Contains($"post_logout_redirect_uri={Uri.EscapeDataString($"{_page.Origin}/")}", address.Query, StringComparison.Ordinal);
        Assert.Contains("id_token_hint=", address.Query, StringComparison.Ordinal);
        Assert.Single(_issuer.Revoked);
        // The issuer renews a stolen session on no gateway.
        using var thief = new PageClient(other, stolen);
        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(401, await thief.StatusOfAsync("/auth/session"));
        Assert.Equal(401, await thief.StatusOfAsync());
    }

    /// <summary>The renewal cookie carries the refresh token, so any gateway with the same keys can use it.</summary>
    [Fact]
    public async Task Session_BegunOnOneGateway_IsRenewedAtTheIssuerByAnother()
    {
        _issuer.TokenLifetime = TimeSpan.FromMinutes(6);
        await using var other = await StartAsync(_keys);
        await using var foreign = await StartAsync(Path.Combine(_keys, "theirs"));
        await SignInAsync();
        using var there = new PageClient(other, _page.Cookies);
        using var elsewhere = new PageClient(foreign, _page.Cookies);
        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));

        Assert.Equal(401, await elsewhere.StatusOfAsync("/auth/session"));
        Assert.Equal(0, Renewals);
        await there.ReadSessionAsync();
        Assert.Equal(1, Renewals);
        _issuer.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal((200, 200), (await _page.StatusOfAsync(), await there.StatusOfAsync()));

        _issuer.RefusesRenewal = true;
        Assert.Equal(401, await there.StatusOfAsync("/auth/session"));
        Assert.Equal((401, 401), (await _page.StatusOfAsync(), await _page.StatusOfAsync("/auth/session")));
    }

    [Fact]
    public async Task SignOut_DuringAnOutage_EndsTheSessionOnTheGateway()
    {
        await SignInAsync();
        _issuer.IsDown = true;

        using var response = await _page.ChangeAsync("POST", "/auth/sign-out");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal((null, null), (_page.Session, _page.Renewal));
    }

    private static DateTimeOffset EndOf(JsonElement session) => session.GetProperty("expiresAt").GetDateTimeOffset();

    private System.Net.CookieContainer Copy()
    {
        var copy = new System.Net.CookieContainer();
        copy.Add(_page.Cookies.GetAllCookies());
        return copy;
    }

    private Task<GatewayHost> StartAsync(string keys) => GatewayHost.StartWithAsync(_upstream.Address,
        builder => builder.Services.AddSingleton<TimeProvider>(_issuer.Clock), _issuer.Settings(keys));

    private async Task SignInAsync()
    {
        using var response = await _page.OpenAsync("/auth/sign-in?returnUrl=/api/points");
        Assert.Equal(200, (int)response.StatusCode);
    }
}
