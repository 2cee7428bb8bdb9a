using System.Net;
using System.Text.RegularExpressions;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>The pages as the gateway asks for them. The owners do not answer, so the pages say so.</summary>
public sealed partial class ConsolePageTests(PostgreSqlServer server) : IAsyncLifetime
{
    private OperationsUnderTest _operations = null!;
    private PageBrowser _browser = null!;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        _browser = new PageBrowser(_operations);
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _operations.DisposeAsync();

    [Fact]
    public async Task Page_WithoutTheRole_Is403()
    {
        Assert.Equal(HttpStatusCode.Forbidden, (await _browser.SendAsync("GET", "/ops", roles: "fan,opsx")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _browser.SendAsync("GET", "/ops/reservations", roles: null)).Status);
    }

    [Fact]
    public async Task Overview_WithoutTheOwners_NamesThem()
    {
        var (status, page, _, _) = await _browser.SendAsync("GET", "/ops");

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("orchestrator does not answer", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/ops/reservations", 200)]
    [InlineData("/ops/reservations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", 200)]
    [InlineData("/ops/customers", 200)]
    [InlineData("/ops/customers?userId=mina", 200)]
    [InlineData("/ops/waiting-rooms", 200)]
    [InlineData("/ops/schedules", 200)]
    [InlineData("/ops/deliveries", 200)]
    [InlineData("/ops/failed-messages", 200)]
    [InlineData("/ops/failed-messages/7", 404)]
    [InlineData("/ops/operations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", 404)]
    [InlineData("/ops/operations", 200)]
    [InlineData("/ops/invariants", 200)]
    [InlineData("/ops/audit", 200)]
    [InlineData("/ops/processes", 200)]
    public async Task Page_WithoutTheOwners_IsShown(string path, int status)
    {
        var answer = await _browser.SendAsync("GET", path);

        Assert.Equal(status, (int)answer.Status);
        Assert.Contains("<main id=\"content\"", answer.Page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ko-KR,ko;q=0.9,en;q=0.8", null, "ko")]
    [InlineData("fr,en;q=0.5", null, "en")]
    [InlineData("ko;q=0,en", null, "en")]
    [InlineData("ko", "concert-console-language=en", "en")]
    [InlineData("en", "concert-console-language=xx", "en")]
    public async Task Language_OfAPage_IsTheChosenOrTheAccepted(string accepted, string? cookie, string language)
    {
        var (_, page, _, _) = await _browser.SendAsync("GET", "/ops", headers: [("Accept-Language", accepted), ("Cookie", cookie)]);

        Assert.Contains($"<html lang=\"{language}\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Form_WithoutAValidToken_Is400()
    {
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync("olga", null)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync("omar", await TokenAsync("olga"))).Status);
    }

    [Theory]
    [InlineData("/ops/audit", "/ops/audit")]
    [InlineData("/ops?x=1", "/ops?x=1")]
    [InlineData("//evil.example/ops/", "/ops")]
    [InlineData("https://evil.example", "/ops")]
    public async Task Preferences_Chosen_AreKeptAndReturnToAPageOfTheConsole(string back, string next)
    {
        var (status, _, _, headers) = await PostAsync("olga", await TokenAsync("olga"), back);

        Assert.Equal((HttpStatusCode.SeeOther, next), (status, headers.Location?.OriginalString));
        Assert.Contains(headers.GetValues("Set-Cookie"), cookie =>
            cookie.StartsWith("concert-console-language=ko; max-age=31536000; path=/ops", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Assets_OfAPage_AreKeptForever()
    {
        var page = (await _browser.SendAsync("GET", "/ops")).Page;
        foreach (Match asset in Asset().Matches(page))
        {
            var (status, _, _, headers) = await _browser.SendAsync("GET", asset.Value);

            Assert.Equal(HttpStatusCode.OK, status);
            Assert.Equal("public, max-age=31536000, immutable", $"{headers.CacheControl}");
        }
        Assert.Equal(3, Asset().Matches(page).Select(asset => asset.Value).Distinct().Count());
    }

    private async Task<string> TokenAsync(string user) =>
        PageBrowser.TokenOf((await _browser.SendAsync("GET", "/ops/preferences", user: user)).Page);

    private Task<PageAnswer> PostAsync(string user, string? token, string back = "/ops")
    {
        var form = new Dictionary<string, string> { ["_handler"] = "preferences", ["language"] = "ko", ["return"] = back };
        if (token is not null)
            form["form-token"] = token;
        return _browser.SendAsync("POST", "/ops/preferences", user: user, content: new FormUrlEncodedContent(form));
    }

    [GeneratedRegex("/ops/assets/[a-z]+\\.[0-9a-f]{12}\\.[a-z]+")]
    private static partial Regex Asset();
}
