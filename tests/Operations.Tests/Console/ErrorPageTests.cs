using System.Net;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>What a browser gets when there is no page to show. Everything else gets problem details.</summary>
public sealed class ErrorPageTests(PostgreSqlServer server) : IAsyncLifetime
{
    private const string Problem = "application/problem+json";

    private PageOwners _owners = null!;
    private OperationsUnderTest _operations = null!;
    private PageBrowser _browser = null!;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _owners = await PageOwners.StartAsync();
        _operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, _owners.Settings);
        _browser = new PageBrowser(_operations);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _operations.DisposeAsync();
        await _owners.DisposeAsync();
    }

    [Theory]
    [InlineData("/ops/nothing", "en", "There is no such page", "<a href=\"/ops\">Overview</a>")]
    [InlineData("/ops/reservations/nonsense", "en", "There is no such page", "<a href=\"/ops/reservations\">Reservations</a>")]
    [InlineData("/ops/waiting-rooms/x", "ko", "페이지를 찾을 수 없습니다", "<a href=\"/ops/waiting-rooms\">대기실</a>", "<html lang=\"ko\"")]
    public async Task Page_ThatIsMissing_HasTheLookOfTheConsole(string path, string language, params string[] shown)
    {
        var answer = await _browser.OpenAsync(path, language);

        Assert.Equal((HttpStatusCode.NotFound, "text/html"), (answer.Status, answer.Type));
        var content = WebUtility.HtmlDecode(answer.Page);
        Assert.All(shown, text => Assert.Contains(text, content, StringComparison.Ordinal));
        Assert.Contains("<main id=\"content\"", content, StringComparison.Ordinal);
        Assert.Contains("404 NOT_FOUND", content, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/ops/nothing", "application/json", "ops")]
    [InlineData("/ops/nothing", "*/*", "ops")]
    [InlineData("/ops/nothing", null, "ops")]
    [InlineData("/ops/api/nothing", "text/html", "ops")]
    [InlineData("/ops/api/operations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", "text/html", "ops")]
    [InlineData("/opsx", "text/html", "ops")]
    [InlineData("/ops/nothing", "text/html", "fan")]
    public async Task Request_OfAnythingElse_GetsProblemDetails(string path, string? accept, string roles)
    {
        var answer = await _browser.SendAsync("GET", path, roles, headers: ("Accept", accept));

        Assert.Equal((HttpStatusCode.NotFound, Problem), (answer.Status, answer.Type));
    }

    [Fact]
    public async Task Page_ThatFails_SaysSo()
    {
        // The room has no settings, which the page does not expect.
        _owners.Answers["/ops/api/waiting-rooms/1"] = new { concertId = 1, admission = "Open" };
        var answer = await _browser.OpenAsync("/ops/waiting-rooms/1");

        Assert.Equal((HttpStatusCode.InternalServerError, "text/html"), (answer.Status, answer.Type));
        Assert.Contains("<h1>The page has failed</h1>", answer.Page, StringComparison.Ordinal);
        Assert.Contains("500 INTERNAL_ERROR", answer.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Form_WithoutAToken_SaysWhatToDo()
    {
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("_handler", "preferences")]);
        var answer = await _browser.SendAsync("POST", "/ops/preferences", content: form, headers: ("Accept", "text/html"));

        Assert.Equal((HttpStatusCode.BadRequest, "text/html"), (answer.Status, answer.Type));
        Assert.Contains("older than 12 hours", answer.Page, StringComparison.Ordinal);
    }

    /// <summary>A page has the token of a form.</summary>
    [Fact]
    public async Task Stranger_WithoutTheSecret_GetsNoPage()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/ops/nothing");
        request.Headers.Add("Accept", "text/html");
        request.Headers.Add(Caller.UserIdHeader, "olga");
        request.Headers.Add(Caller.UserRolesHeader, "ops");
        using var response = await _operations.Stranger.SendAsync(request);

        Assert.Equal((HttpStatusCode.NotFound, Problem), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
    }
}
