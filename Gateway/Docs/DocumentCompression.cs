using System.IO.Compression;
using Microsoft.AspNetCore.ResponseCompression;

namespace ConcertSaga.Gateway.Docs;

/// <summary>
/// Compresses the documents and nothing else. The length of a compressed response reveals something of its content, which is unsafe where
/// secrets stand beside text that a caller chose.
/// </summary>
internal static class DocumentCompression
{
    public static void AddDocumentCompression(this WebApplicationBuilder builder)
    {
        builder.Services.AddResponseCompression(compression => compression.EnableForHttps = true);
        builder.Services.Configure<BrotliCompressionProviderOptions>(brotli => brotli.Level = CompressionLevel.Fastest);
        builder.Services.Configure<GzipCompressionProviderOptions>(gzip => gzip.Level = CompressionLevel.Fastest);
    }

    public static void UseDocumentCompression(this IApplicationBuilder app) =>
        app.UseWhen(context => IsDocument(context.Request.Path), documents => documents.UseResponseCompression());

    private static bool IsDocument(PathString path) => path.StartsWithSegments("/docs") || path.StartsWithSegments("/openapi.json");
}
