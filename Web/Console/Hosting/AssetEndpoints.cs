using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace ConcertSaga.OperatorConsole.Hosting;

/// <summary>
/// Serves the style sheet, the script and the icon. Their addresses contain a hash of their content, so browsers keep them.
/// </summary>
internal static class AssetEndpoints
{
    private const string Prefix = "Assets/";

    private static readonly Dictionary<string, string> Types = new()
    {
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml"
    };

    private static readonly Dictionary<string, Asset> All = typeof(AssetEndpoints).Assembly.GetManifestResourceNames()
        .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Select(Read).ToDictionary(asset => asset.Name);

    /// <summary>The address of an asset.</summary>
    public static string AddressOf(string name) => $"/ops/assets/{All[name].File}";

    public static void MapAssets(this IEndpointRouteBuilder routes)
    {
        foreach (var asset in All.Values)
        {
            routes.MapGet($"/ops/assets/{asset.File}", context =>
            {
                context.Response.ContentType = asset.Type;
                context.Response.ContentLength = asset.Content.Length;
                context.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
                return context.Response.Body.WriteAsync(asset.Content, context.RequestAborted).AsTask();
            }).ExcludeFromDescription();
        }
    }

    private static Asset Read(string resource)
    {
        using var stream = typeof(AssetEndpoints).Assembly.GetManifestResourceStream(resource)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        var (name, kind) = (resource[Prefix.Length..], Path.GetExtension(resource));
        var hash = Convert.ToHexStringLower(SHA256.HashData(content))[..12];
        return new Asset(name, $"{Path.GetFileNameWithoutExtension(name)}.{hash}{kind}", Types[kind], content);
    }

    private sealed record Asset(string Name, string File, string Type, byte[] Content);
}
