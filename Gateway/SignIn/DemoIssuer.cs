using System.Security.Cryptography;
using ConcertSaga.Shared.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>Issues the tokens of the demo sign-in.</summary>
internal sealed class DemoIssuer(DemoOptions options, TimeProvider time)
{
    public const string Issuer = "concertsaga-demo";
    public const string Audience = "concertsaga";

    private readonly SymmetricSecurityKey _key = new(ReadKey(options.Key));

    /// <summary>How the gateway verifies these tokens.</summary>
    public TokenValidationParameters Validation => new()
    {
        ValidIssuer = Issuer,
        ValidAudience = Audience,
        IssuerSigningKey = _key,
        ValidAlgorithms = [SecurityAlgorithms.HmacSha256]
    };

    public DemoToken Issue(string userId, string[] roles)
    {
        // A token counts whole seconds, and the answer must show the same end as the token.
        var now = DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());
        var expiresAt = now + options.TokenLifetime;
        var token = new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = Audience,
            Claims = new Dictionary<string, object> { ["sub"] = userId, ["roles"] = roles },
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = expiresAt.UtcDateTime,
            SigningCredentials = new SigningCredentials(_key, SecurityAlgorithms.HmacSha256)
        });
        return new DemoToken(token, expiresAt);
    }

    private static byte[] ReadKey(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return RandomNumberGenerator.GetBytes(32);
        var key = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, key, out var length) || length < 32)
            throw new StartupException("Authentication:Demo:Key is too short or not base64; allowed: at least 32 bytes in base64.");
        return key[..length];
    }
}
