using System.Text.Json.Nodes;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests;

public sealed class BearerTokenTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly Upstream _upstream;

    public BearerTokenTests(GatewayFixture fixture)
    {
        (_gateway, _upstream) = (fixture.Gateway, fixture.Upstream);
        _upstream.Forget();
    }

    public static TheoryData<string, string> BadTokens
    {
        get
        {
            var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
            var good = Tokens.For("mina");
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
                { "key in the header", Tokens.Make(_ => { }, """{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"AAAA"}}""", Convert.ToBase64String(new byte[32])) },
                { "altered", $"{good.Split('.')[0]}.{Tokens.For("other").Split('.')[1]}.{good.Split('.')[2]}" },
                { "other issuer", Tokens.Make(claims => claims["iss"] = "somebody") },
                { "no issuer", Tokens.Make(claims => claims.Remove("iss")) },
                { "other audience", Tokens.Make(claims => claims["aud"] = "somebody") },
                { "no audience", Tokens.Make(claims => claims.Remove("aud")) },
                { "expired", Tokens.Make(claims => { claims["nbf"] = now - 100; claims["exp"] = now - 10; }) },
                { "no end", Tokens.Make(claims => claims.Remove("exp")) },
                { "end is a text", Tokens.Make(claims => claims["exp"] = "tomorrow") },
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

    [Theory, MemberData(nameof(BadTokens), DisableDiscoveryEnumeration = true)]
    public async Task Token_Bad_Is401AndReachesNothing(string what, string token)
    {
        using var response = await _gateway.SendAsync("GET", "/api/points", headers: [("Authorization", $"Bearer {token}")]);

        await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        Assert.True(_upstream.Seen.Length == 0, what);
    }

    [Fact]
    public async Task Token_LikeOneThatIsRemembered_IsCheckedAllTheSame()
    {
        var good = Tokens.For("mina");
        var end = good.LastIndexOf('.');
        foreach (var (token, status) in new[] { (good, 200), (good, 200), ($"{good[..end]}.{Tokens.For("tom")[(end + 1)..]}", 401), ($"{good}A", 401), (good[..^4], 401) })
        {
            using var response = await _gateway.SendAsync("GET", "/api/points", headers: [("Authorization", $"Bearer {token}")]);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    [Theory]
    [InlineData("Basic bWluYTptaW5h")]
    [InlineData("Negotiate abc")]
    [InlineData("Bearer")]
    public async Task Scheme_Other_Is401(string authorization)
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
    public async Task Token_GoodOrMissing_NeverBringsAChallengeElsewhere()
    {
        using var unknown = await _gateway.SendAsync("GET", "/nothing");
        using var concerts = await _gateway.SendAsync("GET", "/api/concerts", "bad");

        Assert.Empty(unknown.Headers.WwwAuthenticate);
        Assert.Equal(200, (int)concerts.StatusCode);
        Assert.Empty(concerts.Headers.WwwAuthenticate);
    }
}
