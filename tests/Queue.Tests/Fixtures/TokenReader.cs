using ConcertSaga.Contracts.Queue;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ConcertSaga.Queue.Tests.Fixtures;

/// <summary>Reads and checks tokens with an independent implementation of JSON Web Tokens.</summary>
internal static class TokenReader
{
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false };

    public static string TypeOf(string token) => Handler.ReadJsonWebToken(token).Typ;

    public static string KidOf(string token) => Handler.ReadJsonWebToken(token).Kid;

    public static IDictionary<string, object> ClaimsOf(string token) =>
        Handler.ReadJsonWebToken(token).Claims.OrderBy(claim => claim.Type, StringComparer.Ordinal)
            .ToDictionary(claim => claim.Type, claim => (object)claim.Value);

    /// <summary>Checks a token with the keys of a snapshot, as a gateway does.</summary>
    public static async Task<TokenValidationResult> CheckAsync(string token, QueueTokenKind kind, QueueSnapshot snapshot,
        DateTimeOffset now)
    {
        var isPass = kind == QueueTokenKind.Pass;
        return await Handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = QueueTokenFormat.Issuer,
            ValidAudience = isPass ? QueueTokenFormat.PassAudience : QueueTokenFormat.WaitingAudience,
            ValidTypes = [isPass ? QueueTokenFormat.PassType : QueueTokenFormat.WaitingType],
            ValidAlgorithms = [isPass ? "ES256" : "HS256"],
            IssuerSigningKeys = snapshot.Keys.Where(key => key.Kind == kind && key.ValidUntil > now).Select(KeyOf),
            LifetimeValidator = (_, expires, _, _) => expires > now.UtcDateTime
        });
    }

    private static SecurityKey KeyOf(QueueTokenKey key)
    {
        var bytes = Convert.FromBase64String(key.Key);
        if (key.Kind == QueueTokenKind.Waiting)
            return new SymmetricSecurityKey(bytes) { KeyId = key.Kid };
        var ecdsa = System.Security.Cryptography.ECDsa.Create();
        ecdsa.ImportSubjectPublicKeyInfo(bytes, out _);
        return new ECDsaSecurityKey(ecdsa) { KeyId = key.Kid };
    }
}
