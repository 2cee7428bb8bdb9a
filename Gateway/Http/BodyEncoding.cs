using System.IO.Compression;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Gateway.Http;

/// <summary>Chooses the encoding of a large body, and compresses it.</summary>
internal static class BodyEncoding
{
    private const string Brotli = "br", Gzip = "gzip", Identity = "identity", Any = "*";

    /// <summary>The encodings, in the order of preference.</summary>
    public static readonly string[] Known = [Brotli, Gzip];

    /// <summary>The encoding that the client prefers; null for the uncompressed body.</summary>
    public static string? Choose(HttpRequest request)
    {
        var accepted = request.GetTypedHeaders().AcceptEncoding;
        if (accepted.Count == 0)
            return null;
        var best = Known.MaxBy(name => QualityOf(name))!;
        return QualityOf(best) > 0 && QualityOf(best) >= QualityOf(Identity, isFallback: true) ? best : null;

        double QualityOf(string name, bool isFallback = false) =>
            (Find(name) ?? (isFallback ? null : Find(Any))) is { } found ? found.Quality ?? 1 : 0;

        StringWithQualityHeaderValue? Find(string name) =>
            accepted.FirstOrDefault(value => value.Value.Equals(name, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Compresses a body. Seat maps are so repetitive that a slower level than the fastest gains little.</summary>
    public static byte[] Encode(string encoding, byte[] body, CompressionLevel level = CompressionLevel.Fastest)
    {
        using var encoded = new MemoryStream(body.Length / 8);
        using (Stream stream = encoding == Brotli ? new BrotliStream(encoded, level) : new GZipStream(encoded, level))
            stream.Write(body);
        return encoded.ToArray();
    }
}
