using System.Globalization;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Shared.Hosting.Http;
using Yarp.ReverseProxy.Transforms;
using Yarp.ReverseProxy.Transforms.Builder;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// Sets the request headers that a service receives. Only listed headers pass, so no spelling of a forged user id, secret, address, token
/// or cookie does. The HTTP client writes the trace headers itself.
/// </summary>
internal static class CallerHeaders
{
    private static readonly string[] Forwarded =
    [
        "Accept", "Accept-Language", "Content-Encoding", "Content-Length", "Content-Type", "Idempotency-Key", "If-None-Match",
            "Last-Event-ID", "Prefer", "User-Agent"
    ];

    // Pages of services keep the operator's choices in cookies with this prefix. Their services never see the session.
    private const string PageCookies = "concert-console-";

    public static void Set(TransformBuilderContext route, string secret)
    {
        route.UseDefaultForwarders = false;
        route.AddRequestHeadersAllowed(Forwarded);
        route.AddRequestTransform(request =>
        {
            var headers = request.ProxyRequest.Headers;
            headers.TryAddWithoutValidation(InnerWall.SecretHeader, secret);
            var user = request.HttpContext.User;
            if (user.UserId() is { } userId)
            {
                headers.TryAddWithoutValidation(Caller.UserIdHeader, userId);
                if (string.Join(',', user.Roles()) is { Length: > 0 } roles)
                    headers.TryAddWithoutValidation(Caller.UserRolesHeader, roles);
            }
            if (RouteMetadata.IsPage(request.HttpContext))
            {
                var cookies =
                    request.HttpContext.Request.Cookies.Where(cookie => cookie.Key.StartsWith(PageCookies, StringComparison.Ordinal))
                    .Select(cookie => $"{cookie.Key}={Uri.EscapeDataString(cookie.Value)}");
                if (string.Join("; ", cookies) is { Length: > 0 } kept)
                    headers.TryAddWithoutValidation("Cookie", kept);
            }
            var presented = request.HttpContext.Features.Get<PresentedToken>();
            if (presented?.Refusal is { } refusal)
                headers.TryAddWithoutValidation(Caller.QueueRefusalHeader, refusal.Code);
            if (presented is { IsNamedToService: true, Token: var token })
            {
                headers.TryAddWithoutValidation(Caller.QueueTokenIdHeader, token.TokenId.ToString());
                headers.TryAddWithoutValidation(Caller.QueueConcertIdHeader, token.ConcertId.ToString(CultureInfo.InvariantCulture));
            }
            return ValueTask.CompletedTask;
        });
    }
}
