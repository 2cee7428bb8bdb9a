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
/// Writes what people send. A bearer token of the demo sign-in is made for each request, and a waiting token is put together from what was
/// kept of it: both cost less than to keep a million texts.
/// </summary>
internal sealed class CrowdRequests(byte[] bearerKey, string secret, DateTimeOffset now)
{
    private const int BearerHours = 12;

    private static readonly byte[] BearerHead = [.. Encoding.ASCII.GetBytes(Base64Url.EncodeToString("""{"alg":"HS256","typ":"JWT"}"""u8)), (byte)'.'];

    private readonly long _now = now.ToUnixTimeSeconds();
    private readonly Lock _gate = new();

    // The first part of waiting tokens, by the key they were signed with.
    private volatile byte[][] _heads = [];

    public static string UserOf(int person) => $"p{person}";

    /// <summary>Enters at the gateway.</summary>
    public int WriteEntry(Span<byte> into, int person)
    {
        var writer = new Text(into);
        writer.Add("POST /api/queue/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "u8);
        WriteBearer(ref writer, person, 0);
        WriteEntryBody(ref writer);
        return writer.Length;
    }

    /// <summary>Enters at the queue service, as the gateway would pass it on.</summary>
    public int WriteInnerEntry(Span<byte> into, int person)
    {
        var writer = new Text(into);
        writer.Add("POST /api/queue/tokens HTTP/1.1\r\nHost: localhost"u8);
        Utf8.TryWrite(writer.Rest, $"\r\n{InnerWall.SecretHeader}: {secret}\r\n{Caller.UserIdHeader}: p{person}", out var length);
        writer.Length += length;
        WriteEntryBody(ref writer);
        return writer.Length;
    }

    /// <summary>Asks for a place.</summary>
    /// <param name="into">Where to.</param>
    /// <param name="person">Who.</param>
    /// <param name="place">What is kept of the token.</param>
    /// <param name="age">Makes the bearer token another one than that of another age; the gateway remembers those it has seen lately.</param>
    public int WritePoll(Span<byte> into, int person, in Person place, int age = 0)
    {
        var writer = new Text(into);
        writer.Add("GET /api/queue/tokens/current HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "u8);
        WriteBearer(ref writer, person, age);
        writer.Add("\r\nX-Queue-Token: "u8);
        WriteWaiting(ref writer, person, place);
        writer.Add("\r\n\r\n"u8);
        return writer.Length;
    }

    /// <summary>Keeps of a waiting token what it takes to write it again.</summary>
    public void Keep(ReadOnlySpan<byte> token, int person, ref Person place)
    {
        var (first, last) = (token.IndexOf((byte)'.'), token.LastIndexOf((byte)'.'));
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
        var again = new Text(stackalloc byte[1024]);
        WriteWaiting(ref again, person, place);
        if (!again.Written.SequenceEqual(token))
            throw new BenchmarkException("waiting tokens have another form than the one that is put together here.");
    }

    private static void WriteEntryBody(ref Text writer) =>
        writer.Add("\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"concertId\":1}"u8);

    private void WriteBearer(ref Text writer, int person, int age)
    {
        var from = writer.Length;
        writer.Add(BearerHead);
        Span<byte> claims = stackalloc byte[256];
        Utf8.TryWrite(claims, $"{{\"sub\":\"p{person}\",\"roles\":[],\"iss\":\"{Tickets.Issuer}\",\"aud\":\"{Tickets.Audience}\",\"iat\":{_now - age},\"nbf\":{_now - age},\"exp\":{_now + (BearerHours * 3600)}}}", out var length);
        writer.AddBase64(claims[..length]);
        Span<byte> signature = stackalloc byte[32];
        HMACSHA256.HashData(bearerKey, writer.Written[from..], signature);
        writer.Add("."u8);
        writer.AddBase64(signature);
    }

    private void WriteWaiting(ref Text writer, int person, in Person place)
    {
        writer.Add(_heads[place.Key]);
        Span<byte> claims = stackalloc byte[384];
        Utf8.TryWrite(claims, $"{{\"iss\":\"{QueueTokenFormat.Issuer}\",\"aud\":\"{QueueTokenFormat.WaitingAudience}\",\"jti\":\"{place.TokenId}\",\"sub\":\"p{person}\",\"iat\":{place.IssuedAt},\"exp\":{place.Exp},\"concert\":{QueuePlan.ConcertId},\"number\":{place.Number}}}", out var length);
        writer.AddBase64(claims[..length]);
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

    /// <summary>Bytes that grow in a given place.</summary>
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
