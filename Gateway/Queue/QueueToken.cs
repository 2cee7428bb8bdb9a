using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Queue;

/// <summary>A queue token whose signature was checked. Whether it opens anything now is judged at each use.</summary>
/// <param name="Key">What it was checked with.</param>
/// <param name="TokenId">Stays the same from entering to the end.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="Number">Waiting token: the place in line.</param>
/// <param name="BookUntil">Until when it opens every route; of a waiting token, its end.</param>
/// <param name="ExpiresAt">Its end.</param>
internal sealed record QueueToken(
    QueueKey Key, Guid TokenId, int ConcertId, string UserId, long Number, DateTimeOffset BookUntil, DateTimeOffset ExpiresAt)
{
    /// <summary>What is longer was not made by Queue.</summary>
    public const int MaxLength = 2048;

    /// <summary>What <see cref="Read"/> says of a token that names a key nobody has heard of yet.</summary>
    public const string UnknownKey = "unknown_key";

    private static readonly SearchValues<char> Allowed =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    public QueueTokenKind Kind => Key.Kind;

    /// <summary>
    /// Reads and checks a token. What it says of itself only chooses the key; the key's kind says which algorithm, type and audience it must
    /// have, so that neither kind passes for the other.
    /// </summary>
    /// <param name="text">From the caller.</param>
    /// <param name="room">Has the keys.</param>
    /// <param name="now">The present instant.</param>
    /// <param name="wrong">What is wrong with it, for the metrics; null when it is fine.</param>
    public static QueueToken? Read(string text, WaitingRoom room, DateTimeOffset now, out string? wrong)
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
            if (room.Key(head.Kid) is not { } key)
                return null;
            wrong = CheckHeader(head, key);
            if (wrong is not null)
                return null;

            Span<byte> content = stackalloc byte[last];
            Encoding.ASCII.GetBytes(token[..last], content);
            wrong = "signature";
            if (!TryDecode(token[(last + 1)..], buffer, out var signature) || !key.Signed(content, signature))
                return null;

            wrong = "claims";
            return TryDecode(token[(first + 1)..last], buffer, out var payload) ? Claims.Read(payload).Judge(key, now, out wrong) : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private static string? CheckHeader(Header header, QueueKey key) => key.Kind switch
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
                    // Says that it must not be accepted by whoever does not know what follows.
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

        public readonly QueueToken? Judge(QueueKey key, DateTimeOffset now, out string? wrong)
        {
            var isPass = key.Kind == QueueTokenKind.Pass;
            var latestStart = (now + QueuePass.ClockSkew).ToUnixTimeSeconds();
            wrong = _issuer != QueueTokenFormat.Issuer ? "issuer"
                : _audience != (isPass ? QueueTokenFormat.PassAudience : QueueTokenFormat.WaitingAudience) ? "audience"
                : _notBefore > latestStart || _issuedAt > latestStart ? "not_yet_valid"
                : string.IsNullOrEmpty(_userId) || _tokenId == Guid.Empty || _concertId is < int.MinValue or > int.MaxValue or 0
                    || !IsInstant(_expiresAt) || !(isPass ? IsInstant(_bookUntil) : _number > 0) ? "claims"
                : null;
            if (wrong is not null)
                return null;
            var expiresAt = DateTimeOffset.FromUnixTimeSeconds(_expiresAt);
            return new QueueToken(key, _tokenId, (int)_concertId, _userId!, _number,
                isPass ? DateTimeOffset.FromUnixTimeSeconds(_bookUntil) : expiresAt, expiresAt);
        }

        // Far enough from the ends of the calendar to add and subtract.
        private static bool IsInstant(long seconds) => seconds is > 0 and < 200_000_000_000;
    }

    private static string ReadText(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new FormatException();

    private static long ReadNumber(ref Utf8JsonReader reader) => reader.Read() && reader.TryGetInt64(out var number) ? number : throw new FormatException();

    private static void Skip(ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }
}
