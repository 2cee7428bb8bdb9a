using System.Security.Cryptography;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Tokens;

namespace ConcertSaga.Queue.Tokens;

/// <summary>Signs both kinds of queue token. All claims come from the row, so repeated calls give the same claims.</summary>
internal sealed class TokenSigner(KeyRing keys, TimeProvider clock)
{
    /// <summary>Signs the waiting token of an entry.</summary>
    public Task<string> SignWaitingAsync(QueueEntry entry, CancellationToken cancellationToken) =>
        SignAsync(QueueTokenKind.Waiting, entry, entry.IssuedAt, claims => claims.WriteNumber(QueueTokenFormat.NumberClaim, entry.Number),
            cancellationToken);

    /// <summary>Signs the pass of a claimed entry.</summary>
    public Task<string> SignPassAsync(QueueEntry entry, CancellationToken cancellationToken) =>
        SignAsync(QueueTokenKind.Pass, entry, entry.ClaimedAt!.Value,
            claims => claims.WriteNumber(QueueTokenFormat.BookUntilClaim, entry.BookUntil!.Value.ToUnixTimeSeconds()), cancellationToken);

    private async Task<string> SignAsync(
        QueueTokenKind kind, QueueEntry entry, DateTimeOffset issuedAt, Action<Utf8JsonWriter> writeOwnClaim,
        CancellationToken cancellationToken)
    {
        var key = await keys.FindSigningKeyAsync(kind, entry.Exp, cancellationToken);
        var isPass = kind == QueueTokenKind.Pass;
        return CompactJws.Write(
            header =>
            {
                header.WriteString("alg", isPass ? "ES256" : "HS256");
                header.WriteString("typ", isPass ? QueueTokenFormat.PassType : QueueTokenFormat.WaitingType);
                header.WriteString("kid", key.Kid);
            },
            claims =>
            {
                claims.WriteString("iss", QueueTokenFormat.Issuer);
                claims.WriteString("aud", isPass ? QueueTokenFormat.PassAudience : QueueTokenFormat.WaitingAudience);
                claims.WriteString("jti", entry.TokenId);
                claims.WriteString("sub", entry.UserId);
                // Gateways refuse a token issued in the future, which a clock that was ahead may have written.
                claims.WriteNumber("iat", Math.Min(issuedAt.ToUnixTimeSeconds(), clock.GetUtcNow().ToUnixTimeSeconds()));
                claims.WriteNumber("exp", entry.Exp.ToUnixTimeSeconds());
                claims.WriteNumber(QueueTokenFormat.ConcertClaim, entry.ConcertId);
                writeOwnClaim(claims);
            },
            data => isPass ? CompactJws.SignEs256(key.Key, data) : HMACSHA256.HashData(key.Key, data));
    }
}
