using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Stands in for a browser with a page of the gateway: keeps cookies, follows redirects and sends its origin.</summary>
public sealed partial class PageClient : IDisposable
{
    private readonly HttpClient _client;

    public PageClient(GatewayHost gateway, CookieContainer? cookies = null)
    {
        Origin = gateway.Address.GetLeftPart(UriPartial.Authority);
        Cookies = cookies ?? new();
        _client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, CookieContainer = Cookies })
        { BaseAddress = gateway.Address };
    }

    public CookieContainer Cookies { get; }

    public string Origin { get; }

    /// <summary>The value of the session cookie; null if the browser has none.</summary>
    public string? Session => CookieOf("/", "concert");

    /// <summary>The value of the renewal cookie; null if the browser has none.</summary>
    public string? Renewal => CookieOf("/auth", "concert-renewal");

    public async Task<HttpResponseMessage> SendAsync(string method, string path, HttpContent? content = null,
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>Sends a change as the gateway's own page does.</summary>
    public Task<HttpResponseMessage> ChangeAsync(string method, string path, HttpContent? content = null) =>
        SendAsync(method, path, content, ("X-CSRF", "1"), ("Origin", Origin));

    /// <summary>Opens an address and follows its redirects.</summary>
    public async Task<HttpResponseMessage> OpenAsync(string path)
    {
        var response = await SendAsync("GET", path);
        for (var i = 0; i < 10 && response.Headers.Location is { } next; i++)
        {
            response.Dispose();
            response = await SendAsync("GET", next.OriginalString);
        }
        return response;
    }

    /// <summary>Signs in with the demo form.</summary>
    public async Task SignInAsync(string userId = "mina", params string[] roles)
    {
        using var response = await SubmitAsync(await ReadFormTokenAsync(), userId, "/", roles);
        Assert.Equal(303, (int)response.StatusCode);
    }

    public async Task<string> ReadFormTokenAsync()
    {
        using var page = await SendAsync("GET", "/auth/sign-in");
        return await FormTokenOfAsync(page);
    }

    /// <summary>The token in a page with the demo form.</summary>
    public static async Task<string> FormTokenOfAsync(HttpResponseMessage page) =>
        FormToken().Match(await page.Content.ReadAsStringAsync()).Groups[1].Value;

    public Task<HttpResponseMessage> SubmitAsync(string token, string userId, string returnUrl, string[]? roles = null,
        string? origin = null) =>
        SendAsync("POST", "/auth/sign-in", new FormUrlEncodedContent(
            [new("form", token), new("userId", userId), new("returnUrl", returnUrl), .. (roles ?? []).Select(role =>
                KeyValuePair.Create("roles", role))]),
            origin == "" ? [] : [("Origin", origin ?? Origin)]);

    /// <summary>The answer of <c>GET /auth/session</c>, which must be 200.</summary>
    public async Task<JsonElement> ReadSessionAsync()
    {
        using var response = await SendAsync("GET", "/auth/session");
        Assert.True((int)response.StatusCode == 200, await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    public async Task<int> StatusOfAsync(string path = "/api/points")
    {
        using var response = await SendAsync("GET", path);
        return (int)response.StatusCode;
    }

    public void SetSession(string? value)
    {
        var address = new Uri(Origin);
        if (value is null)
            Cookies.GetCookies(address)["concert"]!.Expired = true;
        else
            Cookies.Add(new Cookie("concert", value, "/", address.Host));
    }

    public void Dispose() => _client.Dispose();

    private string? CookieOf(string path, string name) => Cookies.GetCookies(new Uri(new Uri(Origin), path))[name]?.Value;

    [GeneratedRegex("name=\"form\" value=\"([^\"]+)\"")]
    private static partial Regex FormToken();
}
