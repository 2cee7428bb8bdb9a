using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;

namespace ConcertSaga.Queue.Domain;

/// <summary>Writes the two kinds of token. What is in them is in the row, so a repeat says the same.</summary>
internal sealed class TokenSigner(KeyRing keys)
{
    /// <summary>The waiting token of a place.</summary>
    public Task<string> WaitingAsync(QueueToken token, CancellationToken cancellationToken) =>
        SignAsync(QueueTokenKind.Waiting, token, token.IssuedAt, claims => claims.WriteNumber(QueueTokenFormat.NumberClaim, token.Number), cancellationToken);

    /// <summary>The pass of a place that was let in.</summary>
    public Task<string> PassAsync(QueueToken token, CancellationToken cancellationToken) =>
        SignAsync(QueueTokenKind.Pass, token, token.ClaimedAt!.Value,
            claims => claims.WriteNumber(QueueTokenFormat.BookUntilClaim, token.BookUntil!.Value.ToUnixTimeSeconds()), cancellationToken);

    private async Task<string> SignAsync(
        QueueTokenKind kind, QueueToken token, DateTimeOffset issuedAt, Action<Utf8JsonWriter> own, CancellationToken cancellationToken)
    {
        var key = await keys.SigningKeyAsync(kind, token.Exp, cancellationToken);
        var isPass = kind == QueueTokenKind.Pass;
        var head = Write(header =>
        {
            header.WriteString("alg", isPass ? "ES256" : "HS256");
            header.WriteString("typ", isPass ? QueueTokenFormat.PassType : QueueTokenFormat.WaitingType);
            header.WriteString("kid", key.Kid);
        });
        var body = Write(claims =>
        {
            claims.WriteString("iss", QueueTokenFormat.Issuer);
            claims.WriteString("aud", isPass ? QueueTokenFormat.PassAudience : QueueTokenFormat.WaitingAudience);
            claims.WriteString("jti", token.TokenId);
            claims.WriteString("sub", token.UserId);
            claims.WriteNumber("iat", issuedAt.ToUnixTimeSeconds());
            claims.WriteNumber("exp", token.Exp.ToUnixTimeSeconds());
            claims.WriteNumber(QueueTokenFormat.ConcertClaim, token.ConcertId);
            own(claims);
        });
        var signed = $"{head}.{body}";
        return $"{signed}.{Base64Url.EncodeToString(Sign(key, Encoding.ASCII.GetBytes(signed)))}";
    }

    private static byte[] Sign(QueueKey key, byte[] data)
    {
        if (key.Kind == QueueTokenKind.Waiting)
            return HMACSHA256.HashData(key.Key, data);
        // Imported each time, because one object may not be used by two threads; people are let in a few at a time.
        using var ecdsa = ECDsa.Create();
        ecdsa.ImportPkcs8PrivateKey(key.Key, out _);
        return ecdsa.SignData(data, HashAlgorithmName.SHA256);
    }

    private static string Write(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }
        return Base64Url.EncodeToString(buffer.WrittenSpan);
    }
}
