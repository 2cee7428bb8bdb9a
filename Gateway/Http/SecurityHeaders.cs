using Scalar.AspNetCore;

namespace ConcertSaga.Gateway.Http;

/// <summary>Adds the headers that restrict what a browser does with a response.</summary>
internal static class SecurityHeaders
{
    // A response of the API is data: a browser must not run it, frame it or load anything for it.
    private const string DataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    // A page of the sign-in: text, a form and this gateway's stylesheet, without any script.
    private const string FormPolicy =
        "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

    // A page: this gateway's own scripts, styles and pictures, calls of this gateway only, and forms that post to it.
    private const string PagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

    // Names the policy of a response that is no data.
    private static readonly object Policy = new();

    /// <summary>Lets a response contain a form that posts to this gateway.</summary>
    public static void AllowForm(HttpContext context) => context.Items[Policy] = FormPolicy;

    /// <summary>Lets a response run this gateway's own scripts and styles.</summary>
    public static void AllowPage(HttpContext context) => context.Items[Policy] = PagePolicy;

    public static void UseSecurityHeaders(this IApplicationBuilder app) =>
        app.Use((context, next) =>
        {
            // Set last: an error handler clears earlier headers, and a service may send its own.
            context.Response.OnStarting(SetLate, context);
            return next(context);
        });

    private static Task SetLate(object state)
    {
        Set((HttpContext)state);
        return Task.CompletedTask;
    }

    public static void Set(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        var policy = context.Items[Policy] as string ?? (RouteMetadata.IsPage(context) ? PagePolicy : null);
        // Without a referrer, a browser sends the form with the origin null, and the check of its origin could only refuse it.
        headers["Referrer-Policy"] = policy is null ? "no-referrer" : "same-origin";
        headers.ContentSecurityPolicy = context.Items[ScalarOptions.NonceHttpContextItemKey] is string nonce ? ReaderPolicy(nonce)
            : policy ?? DataPolicy;
    }

    /// <summary>The reader page runs its own two scripts and calls this origin only. One of the scripts writes its styles.</summary>
    private static string ReaderPolicy(string nonce) =>
        $"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
}
