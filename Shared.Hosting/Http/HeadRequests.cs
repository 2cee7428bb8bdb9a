using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Supports <c>HEAD</c> on every route that has a <c>GET</c>.</summary>
public static class HeadRequests
{
    /// <summary>
    /// Routes a <c>HEAD</c> to the endpoint of the <c>GET</c>; the server omits the body. Add it before routing.
    /// </summary>
    public static void UseHeadRequests(this IApplicationBuilder app) => app.Use(async (context, next) =>
    {
        var method = context.Request.Method;
        if (HttpMethods.IsHead(method))
            context.Request.Method = HttpMethods.Get;
        try
        {
            await next(context);
        }
        finally
        {
            context.Request.Method = method;
        }
        if (context.Response is { HasStarted: false, StatusCode: StatusCodes.Status405MethodNotAllowed, Headers.Allow: [{ } allow] }
            && allow.Split(", ") is var methods && methods.Contains(HttpMethods.Get) && !methods.Contains(HttpMethods.Head))
            context.Response.Headers.Allow = $"{allow}, {HttpMethods.Head}";
    });
}
