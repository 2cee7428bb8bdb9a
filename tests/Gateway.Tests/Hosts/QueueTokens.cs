using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Creates queue tokens of which each part can be wrong, and the snapshot with their keys.</summary>
public static class QueueTokens
{
    public const string WaitingKid = "w1", PassKid = "p1";

    public static readonly byte[] WaitingKey = SHA256.HashData("waiting key of the gateway tests"u8);

    public static readonly ECDsa PassKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public static string Pass(string userId, int concertId = 1, Guid? tokenId = null, Action<JsonObject>? change = null,
        Action<JsonObject>? header = null,
        Func<byte[], byte[]>? sign = null, DateTimeOffset? now = null)
    {
        var seconds = (now ?? Now).ToUnixTimeSeconds();
        return Make(new() { ["alg"] = "ES256", ["typ"] = QueueTokenFormat.PassType, ["kid"] = PassKid },
            Claims(userId, concertId, tokenId, QueueTokenFormat.PassAudience, seconds, seconds + 960,
                claims => claims["bookUntil"] = seconds + 600),
            change, header, sign ?? SignPass);
    }

    public static string Waiting(string userId, long number, int concertId = 1, Guid? tokenId = null, Action<JsonObject>? change = null,
        Action<JsonObject>? header = null, Func<byte[], byte[]>? sign = null, DateTimeOffset? now = null)
    {
        var seconds = (now ?? Now).ToUnixTimeSeconds();
        return Make(new() { ["alg"] = "HS256", ["typ"] = QueueTokenFormat.WaitingType, ["kid"] = WaitingKid },
            Claims(userId, concertId, tokenId, QueueTokenFormat.WaitingAudience, seconds, seconds + 86_400,
                claims => claims["number"] = number),
            change, header, sign ?? (content => HMACSHA256.HashData(WaitingKey, content)));
    }

    public static byte[] SignPass(byte[] content) => PassKey.SignData(content, HashAlgorithmName.SHA256);

    /// <summary>A snapshot in which concert 1 is on sale and has admitted two customers.</summary>
    public static QueueSnapshot Snapshot(DateTimeOffset? at = null, params QueueTokenRevoked[] revocations) =>
        new(at ?? Now, 20_000,
        [
            new(WaitingKid, QueueTokenKind.Waiting, Convert.ToBase64String(WaitingKey), (at ?? Now).AddDays(1)),
            new(PassKid, QueueTokenKind.Pass, Convert.ToBase64String(PassKey.ExportSubjectPublicKeyInfo()), (at ?? Now).AddDays(1))
        ], [Room(at: at)], revocations);

    public static QueueAdvanced Room(int concertId = 1, long sequence = 2, long serving = 2, DateTimeOffset? at = null,
        long issued = 1000) =>
        new(concertId, sequence, serving, 2, at ?? Now, issued, 10, (at ?? Now).AddHours(-1), (at ?? Now).AddHours(8), QueueAdmission.Open);

    private static JsonObject Claims(string userId, int concertId, Guid? tokenId, string audience, long issuedAt, long expiresAt,
        Action<JsonObject> more)
    {
        var claims = new JsonObject
        {
            ["iss"] = QueueTokenFormat.Issuer,
            ["aud"] = audience,
            ["jti"] = (tokenId ?? Guid.CreateVersion7()).ToString(),
            ["sub"] = userId,
            ["concert"] = concertId,
            ["iat"] = issuedAt,
            ["nbf"] = issuedAt,
            ["exp"] = expiresAt
        };
        more(claims);
        return claims;
    }

    private static string Make(JsonObject header, JsonObject claims, Action<JsonObject>? change, Action<JsonObject>? changeHeader,
        Func<byte[], byte[]> sign)
    {
        change?.Invoke(claims);
        changeHeader?.Invoke(header);
        var content =
            $"{Tokens.Encode(JsonSerializer.SerializeToUtf8Bytes(header))}.{Tokens.Encode(JsonSerializer.SerializeToUtf8Bytes(claims))}";
        return $"{content}.{Tokens.Encode(sign(Encoding.ASCII.GetBytes(content)))}";
    }
}
