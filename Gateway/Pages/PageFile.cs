using System.IO.Compression;
using ConcertSaga.Gateway.Http;

namespace ConcertSaga.Gateway.Pages;

/// <summary>A file of a page in memory, with its compressed forms.</summary>
internal sealed class PageFile
{
    private readonly Dictionary<string, byte[]> _encoded;
    private readonly byte[] _body;
    private readonly string _contentType;

    public PageFile(string name, byte[] body)
    {
        _body = body;
        _contentType = Path.GetExtension(name) switch
        {
            ".html" => "text/html; charset=utf-8",
            ".css" => "text/css; charset=utf-8",
            ".js" => "text/javascript; charset=utf-8",
            ".svg" => "image/svg+xml",
            var other => throw new InvalidOperationException($"{name} is a page's file of an unknown type, {other}.")
        };
        // Compressed once for all visitors, so the best level pays.
        _encoded = BodyEncoding.Known.ToDictionary(encoding => encoding,
            encoding => BodyEncoding.Encode(encoding, body, CompressionLevel.SmallestSize));
    }

    /// <summary>Writes the file in the form that the client prefers.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        response.Headers.Append("Vary", "Accept-Encoding");
        var encoding = BodyEncoding.Choose(context.Request);
        var body = encoding is null ? _body : _encoded[encoding];
        if (encoding is not null)
            response.Headers.ContentEncoding = encoding;
        response.ContentType = _contentType;
        response.ContentLength = body.Length;
        if (!HeadAsGet.WasHead(context))
            await response.Body.WriteAsync(body, context.RequestAborted);
    }
}
