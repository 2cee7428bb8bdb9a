using Yarp.ReverseProxy.Transforms;

namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// A service that cannot be reached, does not answer in time or breaks off is one thing to a client: not available right now. Nothing is
/// tried again here; the client knows better whether its request may be repeated.
/// </summary>
internal static class UpstreamFailures
{
    public static async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        var response = context.Response;
        var failure = context.GetForwarderErrorFeature();
        if (response.HasStarted || (failure is null && !IsGatewayFailure(response.StatusCode)))
            return;
        response.Clear();
        response.StatusCode = ClientsFault(failure?.Exception)?.StatusCode ?? StatusCodes.Status503ServiceUnavailable;
    }

    /// <summary>Keeps a service's own 502 or 504 page from being passed on; <see cref="AnswerAsync"/> then writes ours.</summary>
    public static ValueTask HideAsync(ResponseTransformContext context)
    {
        if (context.ProxyResponse is { } response && IsGatewayFailure((int)response.StatusCode))
            context.SuppressResponseBody = true;
        return ValueTask.CompletedTask;
    }

    private static bool IsGatewayFailure(int status) => status is StatusCodes.Status502BadGateway or StatusCodes.Status504GatewayTimeout;

    /// <summary>The body came too slowly, was too large or malformed, which shows only while it is being passed on.</summary>
    private static BadHttpRequestException? ClientsFault(Exception? exception) => exception switch
    {
        null => null,
        BadHttpRequestException bad => bad,
        AggregateException many => many.InnerExceptions.Select(ClientsFault).FirstOrDefault(found => found is not null),
        _ => ClientsFault(exception.InnerException)
    };
}
