using System.Text.Json;
using ConcertSaga.Gateway.SignIn;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Sessions of the demo sign-in: their cookies, their renewal and their end, on one gateway.</summary>
public sealed class SessionEndpointsTests : IAsyncLifetime
{
    private readonly ShiftedClock _clock = new();
    private readonly string _keys = Directory.CreateTempSubdirectory("concertsaga-keys-").FullName;
    private UpstreamStub _upstream = null!;
    private GatewayHost _gateway = null!;
    private PageClient _page = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await UpstreamStub.StartAsync();
        _gateway = await StartAsync();
        _page = new PageClient(_gateway);
    }

    public async ValueTask DisposeAsync()
    {
        _page.Dispose();
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        Directory.Delete(_keys, recursive: true);
    }

    [Fact]
    public async Task Session_Started_OpensTheApiAsTheUser()
    {
        Assert.Equal(401, await _page.StatusOfAsync("/auth/session"));
        Assert.Equal(401, await _page.StatusOfAsync());
        await _page.SignInAsync("mina", "ops", "fan");

        Assert.Equal(200, await _page.StatusOfAsync());
        var seen = Assert.Single(_upstream.Requests);
        Assert.Equal(("mina", "ops,fan"), (seen.Headers["X-User-Id"].Single(), seen.Headers["X-User-Roles"].Single()));
        Assert.Equal(200, await _page.StatusOfAsync("/ops/api/waiting-rooms/1"));
        Assert.InRange(_page.Session!.Length, 80, 200);
    }

    /// <summary>Without a session the API answers a problem, which a script can read. A redirect would lead it to a page.</summary>
    [Theory]
    [InlineData("/api/points", null, 401)]
    [InlineData("/ops/api/waiting-rooms/1", null, 401)]
    [InlineData("/auth/session", null, 401)]
    [InlineData("/api/points", "nonsense", 401)]
    [InlineData("/ops/api/waiting-rooms/1", "nonsense", 401)]
    [InlineData("/auth/session", "nonsense", 401)]
    [InlineData("/api/concerts", "nonsense", 200)]
    public async Task Session_MissingOrInvalid_IsAnsweredWithoutARedirect(string path, string? cookie, int status)
    {
        if (cookie is not null)
            _page.SetSession(cookie);
        using var response = await _page.SendAsync("GET", path, null, ("Accept", "text/html"));

        Assert.Equal(status, (int)response.StatusCode);
        if (status == 401)
            await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        Assert.Null(response.Headers.Location);
    }

    [Fact]
    public async Task Session_OfACustomer_DoesNotOpenOperatorRoutes()
    {
        await _page.SignInAsync();

        using var response = await _page.SendAsync("GET", "/ops/api/waiting-rooms/1");

        await Problem.IsAsync(response, 403, "FORBIDDEN");
    }

    [Fact]
    public async Task Cookies_OverHttps_BelongToThisHostOnly()
    {
        await using var gateway = await StartAsync("--ForwardedHeaders:KnownProxies=127.0.0.1");

        var session = await ProxiedSession.SignInAsync(gateway, "shop.example");

        var set = session.SetCookies.ToDictionary(cookie => cookie.Split('=')[0], cookie => cookie.ToLowerInvariant());
        Assert.Equal(["__Host-concert", "__Secure-concert-renewal", "concert-form"], set.Keys.Order(StringComparer.Ordinal));
        Assert.All(set.Values, cookie => Assert.Contains("; secure", cookie, StringComparison.Ordinal));
        Assert.All(set.Values, cookie => Assert.Contains("; httponly", cookie, StringComparison.Ordinal));
        Assert.All(set.Values, cookie => Assert.DoesNotContain("domain=", cookie, StringComparison.Ordinal));
        Assert.Contains("; path=/; ", set["__Host-concert"], StringComparison.Ordinal);
        Assert.Contains("; samesite=lax", set["__Host-concert"], StringComparison.Ordinal);
        Assert.Contains("; path=/auth; ", set["__Secure-concert-renewal"], StringComparison.Ordinal);
        Assert.Contains("; samesite=strict", set["__Secure-concert-renewal"], StringComparison.Ordinal);

        // A neighbouring host can set a cookie without the prefix, so the gateway does not read one.
        var (prefixed, plain) = (session.Headers, session.Headers.Select(header => header.Name != "Cookie" ? header
            : ("Cookie", header.Value.Replace("__Host-", "", StringComparison.Ordinal))).ToArray());
        using var known = await gateway.SendAsync("GET", "/api/points", headers: prefixed);
        using var unknown = await gateway.SendAsync("GET", "/api/points", headers: plain);
        Assert.Equal((200, 401), ((int)known.StatusCode, (int)unknown.StatusCode));
    }

    [Fact]
    public async Task Cookies_OverPlainLoopback_AreNotSecure()
    {
        using var response = await _page.SubmitAsync(await _page.ReadFormTokenAsync(), "mina", "/");

        Assert.All(response.Headers.GetValues("Set-Cookie"), cookie =>
        {
            Assert.DoesNotContain("secure", cookie, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("; httponly", cookie, StringComparison.OrdinalIgnoreCase);
        });
    }

    [Fact]
    public async Task Session_InItsSecondHalf_IsRenewedByItsPage()
    {
        await _page.SignInAsync();
        var first = await _page.ReadSessionAsync();
        var cookie = _page.Session;
        _clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(EndOf(first), EndOf(await _page.ReadSessionAsync()));
        Assert.Equal(cookie, _page.Session);

        _clock.Advance(TimeSpan.FromMinutes(2));
        var second = await _page.ReadSessionAsync();

        Assert.NotEqual(cookie, _page.Session);
        Assert.InRange((EndOf(second) - EndOf(first)).TotalMinutes, 5.9, 6.1);
        Assert.Equal("mina", second.GetProperty("name").GetString());
        // The earlier cookie still ends when it said.
        Assert.Equal(200, await _page.StatusOfAsync());
        _clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(200, await _page.StatusOfAsync());
        _page.SetSession(cookie);
        Assert.Equal(401, await _page.StatusOfAsync());
    }

    /// <summary>A phone that slept for an hour continues without a new sign-in, but not the next day.</summary>
    [Fact]
    public async Task Session_Expired_IsRenewedUntilItsLastEnd()
    {
        await _page.SignInAsync();
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(401, await _page.StatusOfAsync());
        await _page.ReadSessionAsync();
        Assert.Equal(200, await _page.StatusOfAsync());

        _clock.Advance(TimeSpan.FromHours(10) + TimeSpan.FromMinutes(55));
        var last = await _page.ReadSessionAsync();
        Assert.InRange((EndOf(last) - _clock.GetUtcNow()).TotalMinutes, 4.9, 5.1);
        _clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(401, await _page.StatusOfAsync("/auth/session"));
        Assert.Equal(401, await _page.StatusOfAsync());
    }

    [Fact]
    public async Task SignOut_ByThePage_EndsTheSessionOnThisGateway()
    {
        await _page.SignInAsync();
        Assert.Equal(200, await _page.StatusOfAsync());
        using var thief = new PageClient(_gateway, Copy(_page));
        Assert.Equal(200, await thief.StatusOfAsync());

        using var response = await _page.ChangeAsync("POST", "/auth/sign-out");

        Assert.Equal(200, (int)response.StatusCode);
        var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal($"{_page.Origin}/", answer.GetProperty("redirectTo").GetString());
        Assert.Equal((null, null), (_page.Session, _page.Renewal));
        Assert.Equal(401, await thief.StatusOfAsync());
        Assert.Equal(401, await thief.StatusOfAsync("/auth/session"));
    }

    [Fact]
    public async Task SignOut_WithoutASession_IsHarmless()
    {
        using var response = await _page.ChangeAsync("POST", "/auth/sign-out");

        Assert.Equal(200, (int)response.StatusCode);
    }

    /// <summary>A session that an attacker planted before the sign-in does not become the customer's.</summary>
    [Fact]
    public async Task SignIn_OverAPlantedSession_StartsAnotherAndEndsIt()
    {
        using var attacker = new PageClient(_gateway);
        await attacker.SignInAsync("mallory");
        var planted = attacker.Session;
        _page.SetSession(planted);

        await _page.SignInAsync();

        Assert.NotEqual(planted, _page.Session);
        Assert.Equal("mina", (await _page.ReadSessionAsync()).GetProperty("userId").GetString());
        Assert.Equal(401, await attacker.StatusOfAsync());
    }

    /// <summary>The renewal cookie of one session does not renew another.</summary>
    [Fact]
    public async Task Session_WithTheRenewalOfAnother_IsNotRenewed()
    {
        using var other = new PageClient(_gateway);
        await other.SignInAsync("tom");
        await _page.SignInAsync();
        var stolen = other.Session;
        _page.SetSession(stolen);
        _clock.Advance(TimeSpan.FromMinutes(8));

        Assert.Equal("tom", (await _page.ReadSessionAsync()).GetProperty("userId").GetString());
        Assert.Equal(stolen, _page.Session);
    }

    /// <summary>Neither cookie is accepted in the place of the other.</summary>
    [Fact]
    public async Task Session_InTheFormOfTheRenewal_IsRefused()
    {
        await _page.SignInAsync();
        _page.SetSession(_page.Renewal);

        Assert.Equal(401, await _page.StatusOfAsync());
    }

    [Fact]
    public async Task EventStream_WithASession_Opens()
    {
        await _page.SignInAsync();
        await using var events = await EventReader.OpenAsync(_page.SendAsync("GET",
            $"/api/queue/tokens/current/events?queue_token={QueueTokens.Waiting("mina", 42)}"));

        Assert.Equal("position", (await events.NextAsync())!.Name);
    }

    [Fact]
    public async Task Revocations_AfterTheLastCookieExpired_AreForgotten()
    {
        await _page.SignInAsync();
        using var response = await _page.ChangeAsync("POST", "/auth/sign-out");
        var revocation = _gateway.Services.GetRequiredService<SessionRevocation>();

        await revocation.RunOnceAsync(default);
        Assert.Equal(1, revocation.Count);
        _clock.Advance(TimeSpan.FromHours(13));
        await revocation.RunOnceAsync(default);
        Assert.Equal(0, revocation.Count);
    }

    private static DateTimeOffset EndOf(JsonElement session) => session.GetProperty("expiresAt").GetDateTimeOffset();

    private static System.Net.CookieContainer Copy(PageClient page)
    {
        var copy = new System.Net.CookieContainer();
        copy.Add(page.Cookies.GetAllCookies());
        return copy;
    }

    private Task<GatewayHost> StartAsync(params string[] settings) => GatewayHost.StartWithAsync(_upstream.Address,
        builder => builder.Services.AddSingleton<TimeProvider>(_clock), [.. settings, $"--Authentication:Pages:KeyFolder={_keys}"]);
}
