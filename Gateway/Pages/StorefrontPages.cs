using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Storefront;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Gateway.Pages;

/// <summary>
/// Serves the storefront. Every page is one document with the messages of its language inside, so the waiting room needs three files:
/// the document, a stylesheet and a module.
/// </summary>
internal static class StorefrontPages
{
    // The module of the pages reads the same addresses.
    private static readonly string[] Addresses =
    [
        "/", "/concerts/{concertId:int}", "/concerts/{concertId:int}/schedules", "/concerts/{concertId:int}/schedules/{scheduleId:int}",
        "/reservations", "/reservations/{id:guid}", "/points"
    ];

    // Escapes what could end the element around it, and no other letter.
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    public static void AddStorefront(this WebApplicationBuilder builder) =>
        builder.Services.AddSingleton(new PageFiles(StorefrontFiles.Assembly));

    public static void MapStorefront(this WebApplication app)
    {
        var files = app.Services.GetRequiredService<PageFiles>();
        files.Map(app);
        var pages = PageLanguage.All.ToDictionary(language => language, language => Compose(files, language));
        foreach (var address in Addresses)
            app.MapGet(address, context => WriteAsync(context, pages)).AllowAnonymous();
    }

    private static Task WriteAsync(HttpContext context, Dictionary<string, (PageFile Page, EntityTagHeaderValue Tag)> pages)
    {
        SecurityHeaders.AllowPage(context);
        var language = PageLanguage.Of(context.Request);
        var (page, tag) = pages[language];
        PageLanguage.Describe(context.Response, language);
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers.ETag = tag.ToString();
        if (!context.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Compare(tag, useStrongComparison: false)))
            return page.WriteAsync(context);
        context.Response.StatusCode = StatusCodes.Status304NotModified;
        return Task.CompletedTask;
    }

    // The messages are data, which a browser does not run: the policy of the page needs no exception for them.
    private static (PageFile, EntityTagHeaderValue) Compose(PageFiles files, string language)
    {
        var messages = files.ReadText($"messages/{language}.json");
        using var read = JsonDocument.Parse(messages);
        var html = files.ReadText("index.html")
            .Replace("{language}", language, StringComparison.Ordinal)
            .Replace("{folder}", files.Folder, StringComparison.Ordinal)
            .Replace("{description}", Encode(Text("site.description")), StringComparison.Ordinal)
            .Replace("{skip}", Encode(Text("site.skip")), StringComparison.Ordinal)
            .Replace("{scripts}", Encode(Text("site.scripts")), StringComparison.Ordinal)
            .Replace("{messages}", JsonSerializer.Serialize(read.RootElement, Readable), StringComparison.Ordinal);
        var body = Encoding.UTF8.GetBytes(html);
        var tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 8))}\"";
        return (new PageFile("index.html", body), new EntityTagHeaderValue(tag, isWeak: true));

        string Text(string key) => read.RootElement.GetProperty(key).GetString()!;
    }

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);
}
