using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// A queue token with a valid signature. Whether it opens a route also depends on the time, so that is checked at each use.
/// </summary>
/// <param name="Key">The key that verified it.</param>
/// <param name="TokenId">The id of the queue entry, the same for its waiting token and its pass.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="UserId">The customer it was issued to.</param>
/// <param name="Number">The queue number, of a waiting token only.</param>
/// <param name="BookUntil">When a pass stops opening booking routes; for a waiting token, its expiry.</param>
/// <param name="ExpiresAt">When it expires.</param>
internal sealed record VerifiedToken(
    VerificationKey Key, Guid TokenId, int ConcertId, string UserId, long Number, DateTimeOffset BookUntil, DateTimeOffset ExpiresAt)
{
    /// <summary>The maximum length of a token. Queue issues no longer ones.</summary>
    public const int MaxLength = 2048;

    /// <summary>The error of a token whose key this gateway does not know yet.</summary>
    public const string UnknownKey = "unknown_key";

    private static readonly SearchValues<char> Allowed =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    public QueueTokenKind Kind => Key.Kind;

    /// <summary>
    /// Reads and verifies a token. Its header only selects the key. The kind of the key then determines the required algorithm, type and
    /// audience, so a token of one kind never passes as the other.
    /// </summary>
    /// <param name="text">The token as the caller sent it.</param>
    /// <param name="rooms">Provides the keys.</param>
    /// <param name="now">The current time.</param>
    /// <param name="wrong">The error, for the metrics; null if the token is valid.</param>
    public static VerifiedToken? Read(string text, RoomDirectory rooms, DateTimeOffset now, out string? wrong)
    {
        wrong = "malformed";
        if (text.Length > MaxLength)
        {
            wrong = "oversized";
            return null;
        }
        var token = text.AsSpan();
        int first = token.IndexOf('.'), last = token.LastIndexOf('.');
        if (first <= 0 || last <= first || token[(first + 1)..last].Contains('.') || token.ContainsAnyExcept(Allowed))
            return null;

        Span<byte> buffer = stackalloc byte[MaxLength];
        try
        {
            if (!TryDecode(token[..first], buffer, out var header) || Header.Read(header) is not { } head)
                return null;
            wrong = UnknownKey;
            if (rooms.FindKey(head.Kid) is not { } key)
                return null;
            wrong = CheckHeader(head, key);
            if (wrong is not null)
                return null;

            Span<byte> content = stackalloc byte[last];
            Encoding.ASCII.GetBytes(token[..last], content);
            wrong = "signature";
            if (!TryDecode(token[(last + 1)..], buffer, out var signature) || !key.Verify(content, signature))
                return null;

            wrong = "claims";
            return TryDecode(token[(first + 1)..last], buffer, out var payload) ? Claims.Read(payload).Check(key, now, out wrong) : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private static string? CheckHeader(Header header, VerificationKey key) => key.Kind switch
    {
        QueueTokenKind.Waiting => header.Algorithm != "HS256" ? "algorithm" : header.Type != QueueTokenFormat.WaitingType ? "type" : null,
        _ => header.Algorithm != "ES256" ? "algorithm" : header.Type != QueueTokenFormat.PassType ? "type" : null
    };

    private static bool TryDecode(ReadOnlySpan<char> text, Span<byte> buffer, out ReadOnlySpan<byte> bytes)
    {
        var done = Base64Url.DecodeFromChars(text, buffer, out _, out var length) == OperationStatus.Done;
        bytes = buffer[..length];
        return done;
    }

    private sealed record Header(string Kid, string Algorithm, string Type)
    {
        public static Header? Read(ReadOnlySpan<byte> json)
        {
            string? kid = null, algorithm = null, type = null;
            var reader = new Utf8JsonReader(json);
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("kid"u8))
                    kid = ReadText(ref reader);
                else if (reader.ValueTextEquals("alg"u8))
                    algorithm = ReadText(ref reader);
                else if (reader.ValueTextEquals("typ"u8))
                    type = ReadText(ref reader);
                else if (reader.ValueTextEquals("crit"u8))
                    // The header demands an extension, and this reader supports none.
                    return null;
                else
                    Skip(ref reader);
            }
            return kid is null || algorithm is null || type is null ? null : new Header(kid, algorithm, type);
        }
    }

    private struct Claims
    {
        private string? _issuer, _audience, _userId;
        private Guid _tokenId;
        private long _concertId, _number, _bookUntil, _notBefore, _issuedAt, _expiresAt;

        public static Claims Read(ReadOnlySpan<byte> json)
        {
            var claims = new Claims();
            var reader = new Utf8JsonReader(json);
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("iss"u8))
                    claims._issuer = ReadText(ref reader);
                else if (reader.ValueTextEquals("aud"u8))
                    claims._audience = ReadText(ref reader);
                else if (reader.ValueTextEquals("sub"u8))
                    claims._userId = ReadText(ref reader);
                else if (reader.ValueTextEquals("jti"u8))
                    claims._tokenId = reader.Read() && reader.TryGetGuid(out var id) ? id : throw new FormatException();
                else if (reader.ValueTextEquals("iat"u8))
                    claims._issuedAt = ReadNumber(ref reader);
                else if (reader.ValueTextEquals("nbf"u8))
                    claims._notBefore = ReadNumber(ref reader);
                else if (reader.ValueTextEquals("exp"u8))
                    claims._expiresAt = ReadNumber(ref reader);
                else if (reader.ValueTextEquals(QueueTokenFormat.ConcertClaim))
                    claims._concertId = ReadNumber(ref reader);
                else if (reader.ValueTextEquals(QueueTokenFormat.NumberClaim))
                    claims._number = ReadNumber(ref reader);
                else if (reader.ValueTextEquals(QueueTokenFormat.BookUntilClaim))
                    claims._bookUntil = ReadNumber(ref reader);
                else
                    Skip(ref reader);
            }
            return claims;
        }

        public readonly VerifiedToken? Check(VerificationKey key, DateTimeOffset now, out string? wrong)
        {
            var isPass = key.Kind == QueueTokenKind.Pass;
            var latestStart = (now + ClockSkew.Tolerance).ToUnixTimeSeconds();
            wrong = _issuer != QueueTokenFormat.Issuer ? "issuer"
                : _audience != (isPass ? QueueTokenFormat.PassAudience : QueueTokenFormat.WaitingAudience) ? "audience"
                : _notBefore > latestStart || _issuedAt > latestStart ? "not_yet_valid"
                : string.IsNullOrEmpty(_userId) || _tokenId == Guid.Empty || _concertId is < int.MinValue or > int.MaxValue or 0
                    || !IsInstant(_expiresAt) || !(isPass ? IsInstant(_bookUntil) : _number > 0) ? "claims"
                : null;
            if (wrong is not null)
                return null;
            var expiresAt = DateTimeOffset.FromUnixTimeSeconds(_expiresAt);
            return new VerifiedToken(key, _tokenId, (int)_concertId, _userId!, _number,
                isPass ? DateTimeOffset.FromUnixTimeSeconds(_bookUntil) : expiresAt, expiresAt);
        }

        // Leaves room for additions and subtractions within the range of DateTimeOffset.
        private static bool IsInstant(long seconds) => seconds is > 0 and < 200_000_000_000;
    }

    private static string ReadText(ref Utf8JsonReader reader) =>
        reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new FormatException();

    private static long ReadNumber(ref Utf8JsonReader reader) =>
        reader.Read() && reader.TryGetInt64(out var number) ? number : throw new FormatException();

    private static void Skip(ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }
}
