using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace ConcertSaga.Gateway.Pages;

/// <summary>
/// The files of a site, embedded in its assembly. Their address contains a hash of all of them, so a browser may keep them forever, and a
/// module never meets one of another version.
/// </summary>
internal sealed class PageFiles
{
    private readonly Dictionary<string, byte[]> _sources = [];
    private readonly Dictionary<string, PageFile> _files;

    public PageFiles(Assembly site)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in site.GetManifestResourceNames().Order(StringComparer.Ordinal))
        {
            using var stream = site.GetManifestResourceStream(name)!;
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            _sources.Add(name.Replace('\\', '/'), copy.ToArray());
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{name}:{copy.Length}:")));
            hash.AppendData(copy.ToArray());
        }
        Folder = $"/v/{Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8))}";
        _files = _sources.Where(source => Path.GetExtension(source.Key) is ".css" or ".js" or ".svg")
            .ToDictionary(source => source.Key, source => new PageFile(source.Key, source.Value));
    }

    /// <summary>The address below which the files lie, such as <c>/v/0123456789abcdef</c>.</summary>
    public string Folder { get; }

    /// <summary>A file that is no address of its own, such as a template.</summary>
    public string ReadText(string name) => Encoding.UTF8.GetString(_sources[name]);

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (var (name, file) in _files)
        {
            routes.MapGet($"{Folder}/{name}", context =>
            {
                context.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
                return file.WriteAsync(context);
            }).AllowAnonymous();
        }
    }
}
