using System.Collections.Concurrent;
using System.Globalization;
using ConcertSaga.Gateway.Http;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Gateway.Seats;

/// <summary>The response of Seats to one fetch, shared by all requests that joined it.</summary>
/// <param name="Status">200 or 404.</param>
/// <param name="ContentType">The type of the body.</param>
/// <param name="Body">The body as Seats sent it.</param>
/// <param name="Tag">The version as an entity tag; null with 404.</param>
internal sealed record SeatMapAnswer(int Status, string? ContentType, byte[] Body, EntityTagHeaderValue? Tag)
{
    /// <summary>The seat map's version; 0 without one.</summary>
    public long Version { get; } = long.TryParse(Tag?.Tag.Value?.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture,
        out var version) ? version : 0;

    private readonly ConcurrentDictionary<string, Lazy<Task<byte[]>>> _encoded = new();

    /// <summary>The compressed body. The first request compresses it for all others.</summary>
    public Task<byte[]> EncodeAsync(string encoding) =>
        _encoded.GetOrAdd(encoding, name => new(() => Task.Run(() => BodyEncoding.Encode(name, Body)))).Value;
}
