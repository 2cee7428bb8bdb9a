using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Rejections;
using Yarp.ReverseProxy.Transforms;

namespace ConcertSaga.Gateway.Upstream;

/// <summary>
/// Answers 503 if a service is unreachable, does not answer in time or drops the connection. It never retries a request that may have
/// reached the service: only the client knows whether a retry is safe.
/// </summary>
internal sealed class UpstreamFailureHandler(UpstreamOutageLog outages)
{
    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        var response = context.Response;
        var failure = context.GetForwarderErrorFeature();
        var cluster = context.GetReverseProxyFeature().Cluster.Config.ClusterId;
        if (failure is null && !IsGatewayFailure(response.StatusCode))
        {
            outages.RecordSuccess(cluster);
            return;
        }
        if (ClientDisconnect.HasHappened(context) || ClientDisconnect.IsDisconnect(failure?.Exception))
        {
            ClientDisconnect.End(context);
            return;
        }
        var fault = FindClientFault(failure?.Exception);
        if (fault is null)
            outages.RecordFailure(cluster,
                failure?.Exception?.GetBaseException().Message ?? $"{failure?.Error}, status {response.StatusCode}.");
        if (response.HasStarted)
            return;
        response.Clear();
        response.StatusCode = fault?.StatusCode ?? StatusCodes.Status503ServiceUnavailable;
    }

    /// <summary>Drops the body of a service's own 502 or 504, which <see cref="AnswerAsync"/> then replaces.</summary>
    public static ValueTask HideAsync(ResponseTransformContext context)
    {
        if (context.ProxyResponse is { } response
            && (IsGatewayFailure((int)response.StatusCode) || HeadAsGet.WasHead(context.HttpContext)))
            context.SuppressResponseBody = true;
        return ValueTask.CompletedTask;
    }

    private static bool IsGatewayFailure(int status) => status is StatusCodes.Status502BadGateway or StatusCodes.Status504GatewayTimeout;

    /// <summary>Finds the error of a slow, large or malformed body. It only occurs while the proxy forwards the body.</summary>
    private static BadHttpRequestException? FindClientFault(Exception? exception) => exception switch
    {
        null => null,
        BadHttpRequestException bad => bad,
        AggregateException many => many.InnerExceptions.Select(FindClientFault).FirstOrDefault(found => found is not null),
        _ => FindClientFault(exception.InnerException)
    };
}
