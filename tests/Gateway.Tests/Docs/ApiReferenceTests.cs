using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Gateway.Tests.Hosts;

namespace ConcertSaga.Gateway.Tests.Docs;

public sealed partial class ApiReferenceTests : IClassFixture<GatewayFixture>
{
    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;

    public ApiReferenceTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
    }

    [Fact]
    public async Task Document_WithoutSignIn_IsTheEmbeddedOne()
    {
        using var response = await _gateway.SendAsync("GET", "/openapi.json");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        Assert.StartsWith("3.", JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("openapi")
            .GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Document_OfEveryPath_HasTheMethodsOfTheGateway()
    {
        using var response = await _gateway.SendAsync("GET", "/openapi.json");
        var paths = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("paths");

        var documented = paths.EnumerateObject().Select(path => (Path: path.Name.Replace("{id}", "0197b1d0-0000-7000-8000-000000000001",
            StringComparison.Ordinal).Replace("{concertId}", "1", StringComparison.Ordinal)
            .Replace("{scheduleId}", "1", StringComparison.Ordinal),
            Methods: path.Value.EnumerateObject().Select(operation => operation.Name.ToUpperInvariant())));
        Assert.Equal(
            ShippedRoutes.MethodsByPath.Where(path => !path.Key.StartsWith("/ops/", StringComparison.Ordinal)
                && !ShippedRoutes.Pages.Contains(path.Key)
                && path.Key is not ("/openapi.json" or "/docs/" or "/auth/sign-in" or "/ops"))
                .Select(path => Line(path.Key, path.Value)).Order(),
            documented.Select(path => Line(path.Path, path.Methods)).Order());

        static string Line(string path, IEnumerable<string> methods) => $"{path} {string.Join(' ', methods.Order())}";
    }

    [Fact]
    public async Task ReaderPage_WithoutSignIn_LoadsNothingFromOtherOrigins()
    {
        using var redirect = await _gateway.SendAsync("GET", "/docs");
        using var response = await _gateway.SendAsync("GET", "/docs/");
        var page = await response.Content.ReadAsStringAsync();

        Assert.Equal((302, "docs/"), ((int)redirect.StatusCode, redirect.Headers.Location?.ToString()));
        Assert.Equal(200, (int)response.StatusCode);
        Assert.DoesNotContain("://", page, StringComparison.Ordinal);
        Problem.HasSecurityHeaders(response);
        var policy = response.Headers.GetValues("Content-Security-Policy").Single();
        var nonces = Nonce().Matches(page).Select(match => match.Groups[1].Value).Distinct().ToArray();
        Assert.Contains($"'nonce-{Assert.Single(nonces)}'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("http", policy, StringComparison.Ordinal);
        foreach (var script in Source().Matches(page).Select(match => match.Groups[1].Value))
        {
            using var asset = await _gateway.SendAsync("GET", $"/docs/{script}");
            Assert.Equal((200, "text/javascript"), ((int)asset.StatusCode, asset.Content.Headers.ContentType?.MediaType));
            Problem.HasSecurityHeaders(asset);
        }
    }

    [Theory]
    [InlineData("/openapi.json", "br")]
    [InlineData("/openapi.json", "gzip")]
    [InlineData("/docs/", "br")]
    public async Task Document_WithAcceptEncoding_IsCompressed(string path, string encoding)
    {
        using var response = await _gateway.SendAsync("GET", path, headers: [("Accept-Encoding", encoding)]);

        Assert.Equal((200, encoding), ((int)response.StatusCode, response.Content.Headers.ContentEncoding.SingleOrDefault()));
        Assert.Contains("Accept-Encoding", response.Headers.Vary);
    }

    [GeneratedRegex("nonce=\"([^\"]+)\"")]
    private static partial Regex Nonce();

    [GeneratedRegex("src=\"([^\"]+)\"")]
    private static partial Regex Source();
}
