using System.Text.Json.Nodes;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;

namespace ConcertSaga.Gateway.Tests.SignIn;

public sealed class BearerTokensTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public BearerTokensTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    public static TheoryData<string, string> InvalidTokens
    {
        get
        {
            var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
            var valid = Tokens.For("mina");
            return new()
            {
                { "no token at all", "" },
                { "not a token", "mina" },
                { "three empty parts", ".." },
                { "alg none", Tokens.Make(_ => { }, """{"alg":"none","typ":"JWT"}""", sign: false) },
                { "alg None", Tokens.Make(_ => { }, """{"alg":"None","typ":"JWT"}""", sign: false) },
                { "alg none with a signature", Tokens.Make(_ => { }, """{"alg":"none","typ":"JWT"}""") },
                { "alg HS512, signed with our key", Tokens.Make(_ => { }, """{"alg":"HS512","typ":"JWT"}""") },
                { "alg RS256", Tokens.Make(_ => { }, """{"alg":"RS256","typ":"JWT"}""") },
                { "alg missing", Tokens.Make(_ => { }, """{"typ":"JWT"}""") },
                { "no signature", Tokens.Make(_ => { }, sign: false) },
                { "other key", Tokens.Make(_ => { }, key: Convert.ToBase64String(new byte[32])) },
                { "key in the header", Tokens.Make(_ => { }, """{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"AAAA"}}""",
                    Convert.ToBase64String(new byte[32])) },
                { "altered", $"{valid.Split('.')[0]}.{Tokens.For("other").Split('.')[1]}.{valid.Split('.')[2]}" },
                { "other issuer", Tokens.Make(claims => claims["iss"] = "another") },
                { "no issuer", Tokens.Make(claims => claims.Remove("iss")) },
                { "other audience", Tokens.Make(claims => claims["aud"] = "another") },
                { "no audience", Tokens.Make(claims => claims.Remove("aud")) },
                { "expired", Tokens.Make(claims => { claims["nbf"] = now - 100; claims["exp"] = now - 15; }) },
                { "no end", Tokens.Make(claims => claims.Remove("exp")) },
                { "end as text", Tokens.Make(claims => claims["exp"] = "tomorrow") },
                { "not yet valid", Tokens.Make(claims => claims["nbf"] = now + 60) },
                { "no sub", Tokens.Make(claims => claims.Remove("sub")) },
                { "sub null", Tokens.Make(claims => claims["sub"] = null) },
                { "sub empty", Tokens.Make(claims => claims["sub"] = "") },
                { "sub a number", Tokens.Make(claims => claims["sub"] = 7) },
                { "sub true", Tokens.Make(claims => claims["sub"] = true) },
                { "sub a list", Tokens.Make(claims => claims["sub"] = new JsonArray("mina", "other")) },
                { "sub a list of one", Tokens.Make(claims => claims["sub"] = new JsonArray("mina")) },
                { "sub an object", Tokens.Make(claims => claims["sub"] = new JsonObject { ["id"] = "mina" }) },
                { "sub with a line break", Tokens.Make(claims => claims["sub"] = "mina\r\nX-User-Roles: ops") },
                { "sub with a space", Tokens.Make(claims => claims["sub"] = "mina ") },
                { "sub not ASCII", Tokens.Make(claims => claims["sub"] = "minä") },
                { "sub with a NUL", Tokens.Make(claims => claims["sub"] = "mina\0") },
                { "sub too long", Tokens.Make(claims => claims["sub"] = new string('m', 201)) }
            };
        }
    }

    [Theory, MemberData(nameof(InvalidTokens), DisableDiscoveryEnumeration = true)]
    public async Task Token_Invalid_Is401AndForwardsNothing(string what, string token)
    {
        using var response = await _gateway.SendAsync("GET", "/api/points", headers: [("Authorization", $"Bearer {token}")]);

        await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        Assert.True(_upstream.Requests.Length == 0, what);
    }

    /// <summary>The gateway accepts a new token from an issuer whose clock is up to ten seconds ahead.</summary>
    [Theory]
    [InlineData("nbf", 6, 200)]
    [InlineData("nbf", 10, 200)]
    [InlineData("nbf", 11, 401)]
    [InlineData("iat", 6, 200)]
    [InlineData("iat", 10, 200)]
    [InlineData("iat", 11, 401)]
    public async Task Token_FromTheFuture_IsValidWithinTheClockTolerance(string claim, int ahead, int status)
    {
        // Tokens count whole seconds. Waits for the start of a second, so that the token and its check fall into the same one.
        await Eventually.TrueAsync(() => TimeProvider.System.GetUtcNow().Millisecond < 200, TimeSpan.FromSeconds(60), "a second begins");
        var token = Tokens.Make(claims => claims[claim] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + ahead);

        using var response = await _gateway.SendAsync("GET", "/api/points", headers: [("Authorization", $"Bearer {token}")]);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task Token_SimilarToACachedOne_IsVerified()
    {
        var valid = Tokens.For("mina");
        var end = valid.LastIndexOf('.');
        foreach (var (token, status) in new[] { (valid, 200), (valid, 200), ($"{valid[..end]}.{Tokens.For("tom")[(end + 1)..]}", 401),
            ($"{valid}A", 401), (valid[..^4], 401) })
        {
            using var response = await _gateway.SendAsync("GET", "/api/points", headers: [("Authorization", $"Bearer {token}")]);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    [Theory]
    [InlineData("Basic bWluYTptaW5h")]
    [InlineData("Negotiate abc")]
    [InlineData("Bearer")]
    public async Task Scheme_OtherThanBearer_Is401(string authorization)
    {
        using var response = await _gateway.SendAsync("GET", "/api/points", headers: [("Authorization", authorization)]);

        await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task Token_InTheAddress_IsIgnored()
    {
        using var response = await _gateway.SendAsync("GET", $"/api/points?access_token={Tokens.For("mina")}");

        await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task Token_OnAnOpenRoute_CausesNoChallenge()
    {
        using var unknown = await _gateway.SendAsync("GET", "/nothing");
        using var concerts = await _gateway.SendAsync("GET", "/api/concerts", "bad");

        Assert.Empty(unknown.Headers.WwwAuthenticate);
        Assert.Equal(200, (int)concerts.StatusCode);
        Assert.Empty(concerts.Headers.WwwAuthenticate);
    }
}
