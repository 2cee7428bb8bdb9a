using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Uses an issuer instead of the demo sign-in. The upstream plays it, with a discovery document and a key.</summary>
public sealed class IssuerTests : IAsyncLifetime
{
    private const string Header = """{"alg":"RS256","typ":"JWT","kid":"one"}""";

    private readonly RSA _key = RSA.Create(2048);
    private UpstreamStub _issuer = null!;
    private UpstreamStub _service = null!;
    private GatewayHost _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _issuer = await UpstreamStub.StartAsync();
        _service = await UpstreamStub.StartAsync();
        var publicKey = _key.ExportParameters(false);
        _issuer.Answer = context => context.Request.Path == "/keys"
            ? context.Response.WriteAsJsonAsync(new
            {
                keys = new[] { new { kty = "RSA", use = "sig", kid = "one", n = Base64Url.EncodeToString(publicKey.Modulus),
                    e = Base64Url.EncodeToString(publicKey.Exponent) } }
            })
            : context.Response.WriteAsJsonAsync(new { issuer = _issuer.Address, jwks_uri = $"{_issuer.Address}/keys" });
        _gateway = await GatewayHost.StartAsync(_service.Address, null,
            "--Authentication:Demo:Enabled=false", $"--Authentication:Authority={_issuer.Address}", "--Authentication:Audience=tickets");
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _service.DisposeAsync();
        await _issuer.DisposeAsync();
        _key.Dispose();
    }

    [Fact]
    public async Task Token_OfTheIssuer_IsAccepted()
    {
        using var response = await _gateway.SendAsync("GET", "/api/points", Token("tickets", _issuer.Address));

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("mina", Assert.Single(_service.Requests).Headers["X-User-Id"].Single());
    }

    [Fact]
    public async Task Token_OfAnotherAudienceIssuerOrKey_Is401()
    {
        foreach (var token in new[]
        {
            Token("another-api", _issuer.Address),
            Token("tickets", "https://another.example"),
            // Signed with the public key as a shared secret.
            Tokens.Make(claims => { claims["iss"] = _issuer.Address; claims["aud"] = "tickets"; },
                """{"alg":"HS256","typ":"JWT","kid":"one"}""", Convert.ToBase64String(_key.ExportSubjectPublicKeyInfo())),
            // A valid token of the demo sign-in.
            Tokens.For("mina")
        })
        {
            using var response = await _gateway.SendAsync("GET", "/api/points", token);
            await Problem.IsAsync(response, 401, "UNAUTHENTICATED");
        }
        Assert.Empty(_service.Requests);
    }

    [Fact]
    public async Task Token_DuringAnIssuerOutage_Is503()
    {
        _issuer.Answer = context => { context.Response.StatusCode = 500; return Task.CompletedTask; };

        using var response = await _gateway.SendAsync("GET", "/api/points", Token("tickets", _issuer.Address));
        using var none = await _gateway.SendAsync("GET", "/api/points");

        await Problem.IsAsync(response, 503, "UNAVAILABLE");
        Assert.Empty(response.Headers.WwwAuthenticate);
        await Problem.IsAsync(none, 401, "UNAUTHENTICATED");
        Assert.Empty(_service.Requests);
    }

    private string Token(string audience, string issuer)
    {
        var content = Tokens.Make(claims => { claims["iss"] = issuer; claims["aud"] = audience; }, Header, sign: false).TrimEnd('.');
        var signature = _key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return $"{content}.{Base64Url.EncodeToString(signature)}";
    }
}
