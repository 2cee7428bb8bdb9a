using ConcertSaga.Gateway.Http;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Accepts a change that a cookie authenticates only from the gateway's own pages. A page of another origin cannot send the header without
/// a preflight, nor choose its <c>Origin</c>. Callers with a bearer token are unaffected, because a browser never adds one by itself.
/// </summary>
internal static class CsrfCheck
{
    private const string Header = "X-CSRF";

    public static void UseCsrfCheck(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        var rule = context.GetEndpoint()?.Metadata.GetMetadata<CsrfRule>();
        if (IsChange(context.Request.Method) && (rule == CsrfRule.Always || (IsSession(context) && rule != CsrfRule.OwnForm)))
            // A form cannot send the header. The page checks the token of its form instead.
            return (context.Request.Headers[Header] is ["1"] || RouteMetadata.IsPage(context)) && HasOwnOrigin(context.Request)
                ? next(context)
                : Refusals.CsrfRejected.Answer().ExecuteAsync(context);
        if (IsSession(context))
            context.Response.OnStarting(KeepPrivate, context.Response);
        return next(context);
    });

    /// <summary>Whether a browser sent the request from a page of this gateway. A missing origin and <c>null</c> are foreign.</summary>
    public static bool HasOwnOrigin(HttpRequest request) => request.Headers.Origin is [{ } origin]
        && origin.Equals(OriginOf(request), StringComparison.OrdinalIgnoreCase);

    /// <summary>The gateway's own origin, as the browser knows it.</summary>
    public static string OriginOf(HttpRequest request)
    {
        var host = request.Host;
        return host.Port == (request.IsHttps ? 443 : 80) ? $"{request.Scheme}://{host.Host}" : $"{request.Scheme}://{host.Value}";
    }

    private static bool IsSession(HttpContext context) => context.User.Identity?.AuthenticationType == SignInSchemes.Session;

    private static bool IsChange(string method) =>
        !HttpMethods.IsGet(method) && !HttpMethods.IsHead(method) && !HttpMethods.IsOptions(method);

    // A shared cache never keeps answers to a bearer token, but does not know that the cookie authenticates.
    private static Task KeepPrivate(object state)
    {
        var headers = ((HttpResponse)state).Headers;
        if (headers.CacheControl.Count == 0)
            headers.CacheControl = "private, no-cache";
        return Task.CompletedTask;
    }
}

/// <summary>Endpoint metadata: what differs from the general rule, which checks changes by a session cookie.</summary>
internal sealed class CsrfRule
{
    /// <summary>Checks every change, because the route reads the cookies itself.</summary>
    public static readonly CsrfRule Always = new();

    /// <summary>Checks nothing, because a form cannot send headers. The route checks the form's own token.</summary>
    public static readonly CsrfRule OwnForm = new();
}
