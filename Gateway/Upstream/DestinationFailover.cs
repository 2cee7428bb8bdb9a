using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;

namespace ConcertSaga.Gateway.Upstream;

/// <summary>
/// Sends a request to another destination of its cluster if the connection to the first one failed. No byte of such a request has been
/// sent, and its body has not been read, so this is safe for every method.
/// </summary>
internal static class DestinationFailover
{
    public static async Task SendAsync(HttpContext context, RequestDelegate next)
    {
        HashSet<DestinationState>? tried = null;
        while (true)
        {
            await next(context);
            var proxy = context.GetReverseProxyFeature();
            if (!WasNeverSent(context.GetForwarderErrorFeature()?.Exception) || context.Response.HasStarted
                || context.RequestAborted.IsCancellationRequested || proxy.ProxiedDestination is not { } failed)
                return;
            (tried ??= []).Add(failed);
            var others = Untried(proxy.AvailableDestinations, tried);
            // A destination that was marked unhealthy a moment ago may listen again.
            if (others.Length == 0)
                others = Untried(proxy.AllDestinations, tried);
            if (others.Length == 0)
                return;
            context.Features.Set<IForwarderErrorFeature>(null);
            context.Response.StatusCode = StatusCodes.Status200OK;
            proxy.AvailableDestinations = others;
            proxy.ProxiedDestination = null;
        }
    }

    /// <summary>Whether the connection failed, so that the request was never sent.</summary>
    public static bool WasNeverSent(Exception? exception) => exception is HttpRequestException
    {
        HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError
    };

    private static DestinationState[] Untried(IEnumerable<DestinationState> destinations, HashSet<DestinationState> tried) =>
        [.. destinations.Where(destination => !tried.Contains(destination))];
}
