using System.Net;
using Microsoft.AspNetCore.Authentication.Cookies;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Writes cookies that a browser accepts from this host only, over https only. On plain http a browser rejects the prefixes and may reject
/// <c>Secure</c>, so a loopback address gets the same cookies without both.
/// </summary>
internal sealed class PrefixedCookies : ICookieManager
{
    /// <summary>The session, which the browser sends with every request.</summary>
    public const string Session = "__Host-concert";

    /// <summary>What renews the session. The browser sends it to <c>/auth</c> only.</summary>
    public const string Renewal = "__Secure-concert-renewal";

    /// <summary>Ties a sign-in at the issuer to the browser that began it.</summary>
    public const string Start = "__Host-concert-start";

    private readonly ChunkingCookieManager _cookies = new();

    public static string? Read(HttpRequest request, string name) => request.Cookies[NameFor(request, name)];

    public string? GetRequestCookie(HttpContext context, string key) =>
        _cookies.GetRequestCookie(context, NameFor(context.Request, key));

    public void AppendResponseCookie(HttpContext context, string key, string? value, CookieOptions options)
    {
        options.Secure = !IsPlainLoopback(context.Request);
        _cookies.AppendResponseCookie(context, NameFor(context.Request, key), value, options);
    }

    public void DeleteCookie(HttpContext context, string key, CookieOptions options)
    {
        options.Secure = !IsPlainLoopback(context.Request);
        _cookies.DeleteCookie(context, NameFor(context.Request, key), options);
    }

    /// <summary>Whether a browser on this machine calls without encryption.</summary>
    public static bool IsPlainLoopback(HttpRequest request)
    {
        if (request.IsHttps)
            return false;
        var host = request.Host.Host;
        return host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
    }

    private static string NameFor(HttpRequest request, string name) =>
        IsPlainLoopback(request) ? name[(name.IndexOf('-', StringComparison.Ordinal) + 1)..] : name;
}

/// <summary>A cookie that the framework writes itself: without a prefix, and <c>Secure</c> except on plain-http loopback.</summary>
internal sealed class SecureCookieBuilder : CookieBuilder
{
    public SecureCookieBuilder(string name, SameSiteMode sameSite, string path)
    {
        Name = name;
        Path = path;
        SameSite = sameSite;
        HttpOnly = true;
        IsEssential = true;
    }

    public override CookieOptions Build(HttpContext context, DateTimeOffset expiresFrom)
    {
        var options = base.Build(context, expiresFrom);
        options.Secure = !PrefixedCookies.IsPlainLoopback(context.Request);
        return options;
    }
}
