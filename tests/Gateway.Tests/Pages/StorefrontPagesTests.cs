using System.IO.Compression;
using System.Text.RegularExpressions;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Pages;

/// <summary>The documents and files of the storefront, as a browser fetches them.</summary>
public sealed partial class StorefrontPagesTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

    private readonly GatewayHost _gateway = fixture.Gateway;

    public static TheoryData<string> Pages => [.. ShippedRoutes.Pages];

    [Theory, MemberData(nameof(Pages))]
    public async Task Page_WithoutSignIn_IsOneDocumentWithAStrictPolicy(string path)
    {
        using var page = await _gateway.SendAsync("GET", path);
        var html = await page.Content.ReadAsStringAsync();

        Assert.Equal((200, "text/html"), ((int)page.StatusCode, page.Content.Headers.ContentType?.MediaType));
        Assert.Equal(Policy, page.Headers.GetValues("Content-Security-Policy").Single());
        Assert.True(page.Headers.CacheControl!.NoCache);
        Assert.DoesNotContain("<style", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("style=", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotMatch(InlineScript(), html);
        // The texts have places of their own to be filled.
        Assert.Empty(Placeholder().Matches(html.Split("id=\"messages\"")[0]));
    }

    [Fact]
    public async Task Page_Unchanged_Is304()
    {
        using var first = await _gateway.SendAsync("GET", "/");
        using var again = await _gateway.SendAsync("GET", "/points", headers: [("If-None-Match", first.Headers.ETag!.ToString())]);
        using var korean = await _gateway.SendAsync("GET", "/", headers:
            [("If-None-Match", first.Headers.ETag!.ToString()), ("Accept-Language", "ko")]);

        Assert.Equal((304, 200), ((int)again.StatusCode, (int)korean.StatusCode));
    }

    /// <summary>The choice on a page counts more than the browser's languages.</summary>
    [Theory]
    [InlineData("ko", null, "ko")]
    [InlineData("ko", "en", "en")]
    [InlineData("en", "ko", "ko")]
    [InlineData("ko", "de", "ko")]
    public async Task Page_ByCookie_HasTheChosenLanguage(string accepted, string? chosen, string language)
    {
        foreach (var path in new[] { "/", "/auth/sign-in" })
        {
            using var page = await _gateway.SendAsync("GET", path, headers:
                [("Accept-Language", accepted), .. chosen is null ? [] : new[] { ("Cookie", $"concert-language={chosen}") }]);

            Assert.Contains($"<html lang=\"{language}\">", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            Assert.Equal([language], page.Content.Headers.ContentLanguage);
        }
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip")]
    [InlineData(null)]
    public async Task File_OfAPage_MayBeKeptAndIsCompressed(string? encoding)
    {
        using var page = await _gateway.SendAsync("GET", "/");
        var files = Files().Matches(await page.Content.ReadAsStringAsync()).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(2, files.Count);
        foreach (var file in files)
        {
            using var response = await _gateway.SendAsync("GET", file, headers: encoding is null ? [] : [("Accept-Encoding", encoding)]);
            var body = await response.Content.ReadAsStreamAsync();
            using var decoded = new StreamReader(encoding == "br" ? new BrotliStream(body, CompressionMode.Decompress)
                : encoding == "gzip" ? new GZipStream(body, CompressionMode.Decompress) : body);

            Assert.Equal(200, (int)response.StatusCode);
            Assert.Equal("public, max-age=31536000, immutable", response.Headers.GetValues("Cache-Control").Single());
            Assert.Equal(encoding is null ? [] : [encoding], response.Content.Headers.ContentEncoding);
            Assert.True((await decoded.ReadToEndAsync()).Length > 10_000);
            Assert.InRange(response.Content.Headers.ContentLength!.Value, 1, encoding is null ? 60_000 : 15_000);
        }
    }

    [GeneratedRegex("<script(?![^>]*(src=|application/json))")]
    private static partial Regex InlineScript();

    [GeneratedRegex(@"(?<=[""/>])\{[a-z]+\}")]
    private static partial Regex Placeholder();

    [GeneratedRegex("(?:src|href)=\"(/v/[^\"]+)\"")]
    private static partial Regex Files();
}
