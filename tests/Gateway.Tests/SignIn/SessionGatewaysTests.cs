using System.Net;
using System.Net.Http.Json;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>
/// One browser before several gateways. Two of them share the folder of the keys, and the third one has a folder of its own. Gateways share
/// nothing else.
/// </summary>
public sealed class SessionGatewaysTests : IAsyncLifetime
{
    private readonly ShiftedClock _clock = new();
    private readonly DirectoryInfo _keys = Directory.CreateTempSubdirectory("concertsaga-keys-");
    private readonly CookieContainer _cookies = new();
    private UpstreamStub _upstream = null!;
    private GatewayHost _near = null!, _far = null!, _foreign = null!;

    /// <summary>The same browser at each gateway.</summary>
    private PageClient _here = null!, _there = null!, _elsewhere = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await UpstreamStub.StartAsync();
        _near = await StartAsync("ours");
        _far = await StartAsync("ours");
        _foreign = await StartAsync("theirs");
        (_here, _there, _elsewhere) = (new(_near, _cookies), new(_far, _cookies), new(_foreign, _cookies));
        await _here.SignInAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var page in new[] { _here, _there, _elsewhere })
            page.Dispose();
        foreach (var gateway in new[] { _near, _far, _foreign })
            await gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        _keys.Delete(recursive: true);
    }

    [Fact]
    public async Task Session_OfOneGateway_IsValidOnEveryGatewayWithItsKeys()
    {
        Assert.Equal(200, await _there.StatusOfAsync());
        Assert.Equal("mina", (await _there.ReadSessionAsync()).GetProperty("userId").GetString());
        Assert.Equal("mina", Assert.Single(_upstream.Requests).Headers["X-User-Id"].Single());
    }

    [Fact]
    public async Task Session_OfOtherKeys_IsRefused()
    {
        foreach (var path in new[] { "/api/points", "/auth/session" })
        {
            using var response = await _elsewhere.SendAsync("GET", path);
            await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        }
        using var change = await _elsewhere.ChangeAsync("POST", "/api/points/charges", JsonContent.Create(new { amount = 1 }));
        await Problem.IsAsync(change, 401, "UNAUTHENTICATED");
        Assert.Empty(_upstream.Requests);
        // The browser still has its session where the keys are known.
        Assert.Equal(200, await _here.StatusOfAsync());
    }

    /// <summary>The own origin is that of the address in the browser, whichever gateway started the session.</summary>
    [Fact]
    public async Task Change_OnAnotherGateway_NeedsTheHeaderAndItsOrigin()
    {
        foreach (var headers in new[] { new[] { ("Origin", _there.Origin) }, [("X-CSRF", "1")],
            [("X-CSRF", "1"), ("Origin", _here.Origin)], [("X-CSRF", "1"), ("Origin", "https://evil.example")] })
        {
            using var refused = await _there.SendAsync("POST", "/api/points/charges", null, headers);
            await Problem.IsAsync(refused, 403, "CSRF_REJECTED");
        }
        Assert.Empty(_upstream.Requests);

        using var own = await _there.ChangeAsync("POST", "/api/points/charges", JsonContent.Create(new { amount = 1 }));

        Assert.Equal(200, (int)own.StatusCode);
    }

    [Fact]
    public async Task Session_RenewedByAnotherGateway_ContinuesOnAll()
    {
        // Longer than one cookie lives, so that neither gateway can accept an earlier one.
        foreach (var page in new[] { _there, _here, _there })
        {
            _clock.Advance(TimeSpan.FromMinutes(8));
            var before = _here.Session;
            await page.ReadSessionAsync();
            Assert.NotEqual(before, _here.Session);
            Assert.Equal((200, 200), (await _here.StatusOfAsync(), await _there.StatusOfAsync()));
        }
        _clock.Advance(TimeSpan.FromMinutes(8));

        Assert.Equal(401, await _elsewhere.StatusOfAsync("/auth/session"));
        Assert.Equal(200, await _there.StatusOfAsync("/auth/session"));
    }

    /// <summary>A gateway with other keys cannot read the session, so it cannot renew it either.</summary>
    [Fact]
    public async Task Session_ExpiredOnOtherKeys_IsNotRenewed()
    {
        _clock.Advance(TimeSpan.FromMinutes(11));
        var before = _here.Session;

        Assert.Equal(401, await _elsewhere.StatusOfAsync("/auth/session"));
        Assert.Equal(before, _here.Session);
        Assert.Equal(200, await _there.StatusOfAsync("/auth/session"));
    }

    [Fact]
    public async Task SignOut_OnAnotherGateway_SignsTheBrowserOutEverywhere()
    {
        using var thief = new PageClient(_far, Copy());

        using var response = await _there.ChangeAsync("POST", "/auth/sign-out");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal((null, null), (_here.Session, _here.Renewal));
        foreach (var page in new[] { _here, _there, thief })
            Assert.Equal((401, 401), (await page.StatusOfAsync(), await page.StatusOfAsync("/auth/session")));
    }

    /// <summary>
    /// Gateways share only their keys, so another one accepts a stolen session cookie until it expires. This is what is promised.
    /// </summary>
    [Fact]
    public async Task SignOut_OnAnotherGateway_EndsAStolenCookieWithinItsLifetime()
    {
        using var thief = new PageClient(_near, Copy());
        thief.Cookies.GetCookies(new Uri(_near.Address, "/auth"))["concert-renewal"]!.Expired = true;
        using var response = await _there.ChangeAsync("POST", "/auth/sign-out");

        Assert.Equal(200, await thief.StatusOfAsync());
        _clock.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal((401, 401), (await thief.StatusOfAsync(), await thief.StatusOfAsync("/auth/session")));
    }

    private CookieContainer Copy()
    {
        var copy = new CookieContainer();
        copy.Add(_cookies.GetAllCookies());
        return copy;
    }

    private Task<GatewayHost> StartAsync(string keys) => GatewayHost.StartWithAsync(_upstream.Address,
        builder => builder.Services.AddSingleton<TimeProvider>(_clock),
        $"--Authentication:Pages:KeyFolder={Path.Combine(_keys.FullName, keys)}");
}
