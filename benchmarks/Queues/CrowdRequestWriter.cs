using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using ConcertSaga.Benchmarks.Gateways;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>
/// Writes the requests of customers. It creates a bearer token per request and rebuilds the waiting token from its parts, because a
/// million token texts would need more memory and time.
/// </summary>
internal sealed class CrowdRequestWriter(byte[] bearerKey, string secret, DateTimeOffset now)
{
    private const int BearerHours = 12;

    private static readonly byte[] BearerHead =
        [.. Encoding.ASCII.GetBytes(Base64Url.EncodeToString("""{"alg":"HS256","typ":"JWT"}"""u8)), (byte)'.'];

    private readonly long _now = now.ToUnixTimeSeconds();
    private readonly Lock _gate = new();

    // The first part of a waiting token, for each signing key.
    private volatile byte[][] _heads = [];

    public static string UserOf(int customer) => $"p{customer}";

    /// <summary>Writes an entry for the gateway.</summary>
    public int WriteEntry(Span<byte> into, int customer)
    {
        var writer = new Text(into);
        writer.Add("POST /api/queue/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "u8);
        WriteBearer(ref writer, customer, 0);
        WriteEntryBody(ref writer);
        return writer.Length;
    }

    /// <summary>Writes an entry for the queue service, as the gateway would forward it.</summary>
    public int WriteInnerEntry(Span<byte> into, int customer)
    {
        var writer = new Text(into);
        writer.Add("POST /api/queue/tokens HTTP/1.1\r\nHost: localhost"u8);
        Utf8.TryWrite(writer.Rest, $"\r\n{InnerWall.SecretHeader}: {secret}\r\n{Caller.UserIdHeader}: p{customer}", out var length);
        writer.Length += length;
        WriteEntryBody(ref writer);
        return writer.Length;
    }

    /// <summary>Writes a poll.</summary>
    /// <param name="into">The buffer.</param>
    /// <param name="customer">The customer's number.</param>
    /// <param name="place">The kept parts of the waiting token.</param>
    /// <param name="age">Seconds since the bearer token was issued. Each age gives another token, which the gateway has not cached.</param>
    public int WritePoll(Span<byte> into, int customer, in WaitingCustomer place, int age = 0)
    {
        var writer = new Text(into);
        writer.Add("GET /api/queue/tokens/current HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "u8);
        WriteBearer(ref writer, customer, age);
        writer.Add("\r\nX-Queue-Token: "u8);
        WriteWaiting(ref writer, customer, place);
        writer.Add("\r\n\r\n"u8);
        return writer.Length;
    }

    /// <summary>Keeps the parts of a waiting token that are needed to rebuild it.</summary>
    public void Keep(ReadOnlySpan<byte> token, int customer, ref WaitingCustomer place)
    {
        var first = token.IndexOf((byte)'.');
        var last = token.LastIndexOf((byte)'.');
        place.Key = (byte)KeyOf(token[..(first + 1)]);
        Base64Url.DecodeFromUtf8(token[(last + 1)..], place.Signature);
        var json = new Utf8JsonReader(Base64Url.DecodeFromUtf8(token[(first + 1)..last]));
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName)
                continue;
            if (json.ValueTextEquals("jti"u8) && json.Read())
                place.TokenId = json.GetGuid();
            else if (json.ValueTextEquals("iat"u8) && json.Read())
                place.IssuedAt = json.GetInt32();
            else if (json.ValueTextEquals("exp"u8) && json.Read())
                place.Exp = json.GetInt32();
            else if (json.ValueTextEquals("number"u8) && json.Read())
                place.Number = json.GetInt32();
        }
        var copy = new Text(stackalloc byte[1024]);
        WriteWaiting(ref copy, customer, place);
        if (!copy.Written.SequenceEqual(token))
            throw new BenchmarkException("a rebuilt waiting token differs from the original; its format has changed.");
    }

    private static void WriteEntryBody(ref Text writer) =>
        writer.Add("\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"concertId\":1}"u8);

    private void WriteBearer(ref Text writer, int customer, int age)
    {
        var from = writer.Length;
        writer.Add(BearerHead);
        Span<byte> claims = stackalloc byte[256];
        var issuedAt = _now - age;
        Utf8.TryWrite(claims,
            $"{{\"sub\":\"p{customer}\",\"roles\":[],\"iss\":\"{TokenFactory.Issuer}\",\"aud\":\"{TokenFactory.Audience}\",",
            out var start);
        Utf8.TryWrite(claims[start..], $"\"iat\":{issuedAt},\"nbf\":{issuedAt},\"exp\":{_now + (BearerHours * 3600)}}}", out var rest);
        writer.AddBase64(claims[..(start + rest)]);
        Span<byte> signature = stackalloc byte[32];
        HMACSHA256.HashData(bearerKey, writer.Written[from..], signature);
        writer.Add("."u8);
        writer.AddBase64(signature);
    }

    private void WriteWaiting(ref Text writer, int customer, in WaitingCustomer place)
    {
        writer.Add(_heads[place.Key]);
        Span<byte> claims = stackalloc byte[384];
        Utf8.TryWrite(claims, $"{{\"iss\":\"{QueueTokenFormat.Issuer}\",\"aud\":\"{QueueTokenFormat.WaitingAudience}\",", out var start);
        Utf8.TryWrite(claims[start..], $"\"jti\":\"{place.TokenId}\",\"sub\":\"p{customer}\",\"iat\":{place.IssuedAt},\"exp\":{place.Exp},",
            out var middle);
        Utf8.TryWrite(claims[(start + middle)..], $"\"concert\":{QueuePlan.ConcertId},\"number\":{place.Number}}}", out var rest);
        writer.AddBase64(claims[..(start + middle + rest)]);
        writer.Add("."u8);
        writer.AddBase64(place.Signature);
    }

    private int KeyOf(ReadOnlySpan<byte> head)
    {
        while (true)
        {
            var heads = _heads;
            for (var key = 0; key < heads.Length; key++)
            {
                if (head.SequenceEqual(heads[key]))
                    return key;
            }
            lock (_gate)
            {
                if (_heads == heads)
                    _heads = [.. heads, head.ToArray()];
            }
        }
    }

    /// <summary>Appends bytes to a buffer.</summary>
    private ref struct Text(Span<byte> into)
    {
        private readonly Span<byte> _into = into;

        public int Length { get; set; }

        public readonly ReadOnlySpan<byte> Written => _into[..Length];

        public readonly Span<byte> Rest => _into[Length..];

        public void Add(scoped ReadOnlySpan<byte> text)
        {
            text.CopyTo(_into[Length..]);
            Length += text.Length;
        }

        public void AddBase64(scoped ReadOnlySpan<byte> bytes) => Length += Base64Url.EncodeToUtf8(bytes, _into[Length..]);
    }
}
