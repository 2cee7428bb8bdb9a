using System.Globalization;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.SignIn;
using ConcertSaga.Shared.Hosting.Http;
using Yarp.ReverseProxy.Transforms;
using Yarp.ReverseProxy.Transforms.Builder;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// What a service gets to see of a request. Headers go through by a list of what may, not of what may not: a caller's name, the wall's
/// secret, a forwarded address, a token or a cookie from outside has no spelling that passes. Trace headers are written anew by the client.
/// </summary>
internal static class CallerHeaders
{
    private static readonly string[] PassedOn =
    [
        "Accept", "Accept-Language", "Content-Length", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer", "User-Agent"
    ];

    public static void Set(TransformBuilderContext route, string secret)
    {
        route.UseDefaultForwarders = false;
        route.AddRequestHeadersAllowed(PassedOn);
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
            if (request.HttpContext.Features.Get<ShownToken>() is { Token: var token })
            {
                headers.TryAddWithoutValidation(Caller.QueueTokenIdHeader, token.TokenId.ToString());
                headers.TryAddWithoutValidation(Caller.QueueConcertIdHeader, token.ConcertId.ToString(CultureInfo.InvariantCulture));
            }
            return ValueTask.CompletedTask;
        });
    }
}
