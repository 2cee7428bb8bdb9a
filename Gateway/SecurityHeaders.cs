using Scalar.AspNetCore;

namespace ConcertSaga.Gateway;

/// <summary>What every answer tells a browser not to do.</summary>
internal static class SecurityHeaders
{
    // An answer of the API is data: nothing in it may be run, shown in a frame or loaded from elsewhere.
    private const string DataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    public static void UseSecurityHeaders(this IApplicationBuilder app) =>
        app.Use((context, next) =>
        {
            // At the last moment, so that neither an error handler's clean slate nor an upstream's own header replaces them.
            context.Response.OnStarting(Set, context);
            return next(context);
        });

    private static Task Set(object state)
    {
        var context = (HttpContext)state;
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers.ContentSecurityPolicy = context.Items[ScalarOptions.NonceHttpContextItemKey] is string nonce ? ReaderPolicy(nonce) : DataPolicy;
        return Task.CompletedTask;
    }

    /// <summary>The reader page runs its own two scripts and asks this origin only; its styles are written by its script.</summary>
    private static string ReaderPolicy(string nonce) =>
        $"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
}
