using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Gateway.Http;

/// <summary>
/// Handles HEAD as GET, so that routes and services only need GET. The server sends the headers of the response and drops its body.
/// </summary>
internal static class HeadAsGet
{
    private static readonly object Mark = new();

    public static void UseHeadAsGet(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        if (HttpMethods.IsHead(context.Request.Method))
            return AnswerAsync(context, next);
        // A 405 that allows GET must allow HEAD too.
        if (!HttpMethods.IsGet(context.Request.Method))
            context.Response.OnStarting(AllowHead, context.Response);
        return next(context);
    });

    /// <summary>Whether the client sent HEAD.</summary>
    public static bool WasHead(HttpContext context) => context.Items.ContainsKey(Mark);

    private static async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        context.Items[Mark] = true;
        context.Request.Method = HttpMethods.Get;
        try
        {
            await next(context);
        }
        finally
        {
            // The metrics record the method that the client sent.
            context.Request.Method = HttpMethods.Head;
        }
    }

    private static Task AllowHead(object state)
    {
        var headers = ((HttpResponse)state).Headers;
        if (headers.TryGetValue(HeaderNames.Allow, out var allow))
        {
            const StringSplitOptions clean = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
            var methods = allow.SelectMany(value => (value ?? "").Split(',', clean)).ToList();
            if (methods.Contains(HttpMethods.Get) && !methods.Contains(HttpMethods.Head))
                methods.Add(HttpMethods.Head);
            headers[HeaderNames.Allow] = string.Join(", ", methods);
        }
        return Task.CompletedTask;
    }
}
