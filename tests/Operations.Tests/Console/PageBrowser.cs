using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Http;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>The answer to a request for a page.</summary>
internal sealed record PageAnswer(HttpStatusCode Status, string Page, string? Type, HttpResponseHeaders Headers);

/// <summary>Asks for pages as the gateway does for an operator.</summary>
internal sealed partial class PageBrowser(OperationsUnderTest operations)
{
    /// <summary>Opens a page as a browser does.</summary>
    public Task<PageAnswer> OpenAsync(string path, string language = "en") =>
        SendAsync("GET", path, headers: [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("Accept-Language", language)]);

    /// <summary>Sends a form of a page with its token.</summary>
    public async Task<PageAnswer> SubmitAsync(string path, string form, params (string Name, string Value)[] fields)
    {
        var page = (await OpenAsync(path)).Page;
        Assert.Contains($"name=\"_handler\" value=\"{form}\"", page, StringComparison.Ordinal);
        return await SendAsync("POST", path, content: new FormUrlEncodedContent(fields.Append(("_handler", form))
            .Append(("form-token", TokenOf(page))).Select(field => KeyValuePair.Create(field.Item1, field.Item2))));
    }

    public async Task<PageAnswer> SendAsync(
        string method, string path, string? roles = "ops", string user = "olga", HttpContent? content = null,
        params (string Name, string? Value)[] headers)
    {
        using var client = operations.PageClientOf(user);
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = content };
        if (roles is not null)
            request.Headers.Add(Caller.UserRolesHeader, roles);
        foreach (var (name, value) in headers.Where(header => header.Value is not null))
            request.Headers.Add(name, value);
        using var response = await client.SendAsync(request);
        return new PageAnswer(response.StatusCode, await response.Content.ReadAsStringAsync(),
            response.Content.Headers.ContentType?.MediaType, response.Headers);
    }

    /// <summary>The token of the forms of a page.</summary>
    public static string TokenOf(string page) => Token().Match(page).Groups[1].Value;

    [GeneratedRegex("name=\"form-token\" value=\"([^\"]+)\"")]
    private static partial Regex Token();
}
