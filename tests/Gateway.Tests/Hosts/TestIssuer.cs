using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using ConcertSaga.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>
/// A minimal OpenID provider: code flow with PKCE, refresh tokens of one use, revocation and the end of a session. It approves each request
/// at once, as the user that the test names.
/// </summary>
public sealed class TestIssuer : IAsyncDisposable
{
    public const string ClientId = "concertsaga-gateway", ClientSecret = "secret-of-the-test-client", Audience = "tickets";

    private const string Header = """{"alg":"RS256","typ":"JWT","kid":"one"}""";

    private readonly RSA _key = RSA.Create(2048);
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, (string Challenge, string Nonce, string RedirectUri)> _codes = new();
    private readonly ConcurrentDictionary<string, bool> _refreshTokens = new();

    private TestIssuer(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    public string UserId { get; set; } = "mina";

    public string[] Roles { get; set; } = [];

    /// <summary>The clock by which tokens end. They begin now, because the gateway checks their beginning by the real time.</summary>
    public ShiftedClock Clock { get; } = new();

    public TimeSpan TokenLifetime { get; set; } = TimeSpan.FromHours(1);

    public bool HasRefreshTokens { get; set; } = true;

    public bool IsDown { get; set; }

    public bool RefusesRenewal { get; set; }

    /// <summary>Delays each renewal, so that others can arrive meanwhile.</summary>
    public TimeSpan RenewalDelay { get; set; }

    public Action<JsonObject> ChangeIdToken { get; set; } = _ => { };

    public Action<JsonObject> ChangeAccessToken { get; set; } = _ => { };

    /// <summary>The tokens and codes that were given out; none may appear in a log.</summary>
    public ConcurrentBag<string> Secrets { get; } = [];

    /// <summary>The paths of all calls by the gateway and by browsers, with the grant type.</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    public ConcurrentBag<string> Revoked { get; } = [];

    public static async Task<TestIssuer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var issuer = new TestIssuer(builder.Build());
        issuer._app.Run(issuer.AnswerAsync);
        await issuer._app.StartAsync();
        return issuer;
    }

    /// <summary>The settings of a gateway that is the client of this issuer.</summary>
    public string[] Settings(string keyFolder) =>
    [
        "--Authentication:Demo:Enabled=false", $"--Authentication:Authority={Address}", $"--Authentication:Audience={Audience}",
        $"--Authentication:Pages:ClientId={ClientId}", $"--Authentication:Pages:ClientSecret={ClientSecret}",
        $"--Authentication:Pages:KeyFolder={keyFolder}"
    ];

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        _key.Dispose();
    }

    /// <summary>A token of the issuer for the API.</summary>
    public string AccessToken() => Sign(Audience, claims =>
    {
        claims["roles"] = new JsonArray([.. Roles.Select(role => JsonValue.Create(role))]);
        ChangeAccessToken(claims);
    });

    private async Task AnswerAsync(HttpContext context)
    {
        var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync() : FormCollection.Empty;
        Calls.Enqueue($"{context.Request.Path}{(form.TryGetValue("grant_type", out var type) ? $" {type}" : "")}");
        if (IsDown)
        {
            context.Response.StatusCode = 503;
            return;
        }
        await (context.Request.Path.Value switch
        {
            "/.well-known/openid-configuration" => context.Response.WriteAsJsonAsync(new
            {
                issuer = Address,
                jwks_uri = $"{Address}/keys",
                authorization_endpoint = $"{Address}/authorize",
                token_endpoint = $"{Address}/token",
                revocation_endpoint = $"{Address}/revoke",
                end_session_endpoint = $"{Address}/end-session"
            }),
            "/keys" => AnswerKeysAsync(context),
            "/authorize" => AuthorizeAsync(context),
            "/token" => AnswerTokenAsync(context, form),
            "/revoke" => RevokeAsync(form),
            "/end-session" => EndSessionAsync(context),
            _ => Task.FromResult(context.Response.StatusCode = 404)
        });
    }

    private Task AnswerKeysAsync(HttpContext context)
    {
        var key = _key.ExportParameters(false);
        var (n, e) = (Base64Url.EncodeToString(key.Modulus), Base64Url.EncodeToString(key.Exponent));
        return context.Response.WriteAsJsonAsync(new { keys = new[] { new { kty = "RSA", use = "sig", kid = "one", n, e } } });
    }

    private Task AuthorizeAsync(HttpContext context)
    {
        var query = context.Request.Query;
        if (query["client_id"] != ClientId || query["response_type"] != "code" || query["code_challenge_method"] != "S256")
        {
            context.Response.StatusCode = 400;
            return Task.CompletedTask;
        }
        var code = NewSecret();
        _codes[code] = (query["code_challenge"].ToString(), query["nonce"].ToString(), query["redirect_uri"].ToString());
        context.Response.Redirect($"{query["redirect_uri"]}?code={code}&state={Uri.EscapeDataString(query["state"].ToString())}");
        return Task.CompletedTask;
    }

    private async Task AnswerTokenAsync(HttpContext context, IFormCollection form)
    {
        if (form["client_id"] != ClientId || form["client_secret"] != ClientSecret)
        {
            await RefuseAsync(context, "invalid_client");
            return;
        }
        var nonce = "";
        if (form["grant_type"] == "refresh_token")
        {
            await Task.Delay(RenewalDelay);
            if (RefusesRenewal || !_refreshTokens.TryRemove(form["refresh_token"].ToString(), out _))
            {
                await RefuseAsync(context, "invalid_grant");
                return;
            }
        }
        else if (!_codes.TryRemove(form["code"].ToString(), out var code) || code.RedirectUri != form["redirect_uri"]
            || code.Challenge != Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(form["code_verifier"].ToString()))))
        {
            await RefuseAsync(context, "invalid_grant");
            return;
        }
        else
        {
            nonce = code.Nonce;
        }
        var refreshToken = HasRefreshTokens ? NewSecret() : null;
        if (refreshToken is not null)
            _refreshTokens[refreshToken] = true;
        var idToken = Sign(ClientId, claims =>
        {
            claims["name"] = "Mina Park";
            if (nonce.Length > 0)
                claims["nonce"] = nonce;
            ChangeIdToken(claims);
        });
        await context.Response.WriteAsJsonAsync(new
        {
            access_token = AccessToken(),
            id_token = idToken,
            refresh_token = refreshToken,
            token_type = "Bearer",
            expires_in = (int)TokenLifetime.TotalSeconds
        });
    }

    private Task RevokeAsync(IFormCollection form)
    {
        Revoked.Add(form["token"].ToString());
        _refreshTokens.TryRemove(form["token"].ToString(), out _);
        return Task.CompletedTask;
    }

    private static Task EndSessionAsync(HttpContext context)
    {
        context.Response.Redirect(context.Request.Query["post_logout_redirect_uri"].ToString());
        return Task.CompletedTask;
    }

    private static Task RefuseAsync(HttpContext context, string error)
    {
        context.Response.StatusCode = 400;
        return context.Response.WriteAsJsonAsync(new { error });
    }

    private string Sign(string audience, Action<JsonObject> change)
    {
        var content = Tokens.Make(claims =>
        {
            claims["iss"] = Address;
            claims["aud"] = audience;
            claims["sub"] = UserId;
            claims["exp"] = (Clock.GetUtcNow() + TokenLifetime).ToUnixTimeSeconds();
            change(claims);
        }, Header, sign: false).TrimEnd('.');
        var signature = _key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var token = $"{content}.{Base64Url.EncodeToString(signature)}";
        Secrets.Add(token);
        return token;
    }

    private string NewSecret()
    {
        var secret = RandomNumberGenerator.GetHexString(40);
        Secrets.Add(secret);
        return secret;
    }
}
