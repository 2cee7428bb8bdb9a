namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>A session that a browser began through a proxy that ends https.</summary>
/// <param name="Headers">The headers of its later requests.</param>
/// <param name="SetCookies">The cookies as the gateway set them.</param>
public sealed record ProxiedSession((string Name, string Value)[] Headers, string[] SetCookies)
{
    /// <summary>Signs in with the demo form.</summary>
    public static async Task<ProxiedSession> SignInAsync(GatewayHost gateway, string host)
    {
        (string, string)[] proxy = [("Host", host), ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "127.0.0.1")];
        using var page = await gateway.SendAsync("GET", "/auth/sign-in", headers: proxy);
        var token = await PageClient.FormTokenOfAsync(page);
        var formCookie = page.Headers.GetValues("Set-Cookie").Single();
        using var response = await gateway.SendAsync("POST", "/auth/sign-in", null, new FormUrlEncodedContent(
            [new("form", token), new("userId", "mina"), new("returnUrl", "/")]),
            [.. proxy, ("Origin", $"https://{host}"), ("Cookie", formCookie.Split(';')[0])]);
        Assert.Equal(303, (int)response.StatusCode);
        string[] set = [formCookie, .. response.Headers.GetValues("Set-Cookie")];
        return new ProxiedSession([.. proxy, ("Cookie", string.Join("; ", set.Select(cookie => cookie.Split(';')[0])))], set);
    }
}
