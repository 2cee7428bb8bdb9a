using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Timeouts;

namespace ConcertSaga.Gateway.Rejections;

/// <summary>
/// Ends the request of a client that has disconnected with status 499. Such a request counts neither as a refusal nor as an outage.
/// </summary>
internal static class ClientDisconnect
{
    // Kestrel's message for a body that ends before its announced length. Nothing else identifies the error.
    private const string EndedEarly = "Unexpected end of request content.";

    // The server cancels the request's token on another thread, shortly after it has met the end of the body.
    private static readonly TimeSpan CancellationDelay = TimeSpan.FromMilliseconds(50);

    public static void UseClientDisconnect(this IApplicationBuilder app) => app.Use(WatchAsync);

    /// <summary>
    /// Whether the client has disconnected. A request timeout cancels the same token, but then the client still waits.
    /// </summary>
    public static bool HasHappened(HttpContext context) =>
        context.RequestAborted.IsCancellationRequested
        && context.Features.Get<IHttpRequestTimeoutFeature>()?.RequestTimeoutToken.IsCancellationRequested != true;

    /// <summary>Whether an exception means that the client closed the connection before the end of its body.</summary>
    public static bool IsDisconnect(Exception? exception) => exception switch
    {
        null => false,
        BadHttpRequestException bad when bad.Message == EndedEarly => true,
        AggregateException many => many.InnerExceptions.Any(IsDisconnect),
        _ => IsDisconnect(exception.InnerException)
    };

    /// <summary>Sets status 499 for a request whose client has disconnected.</summary>
    public static void End(HttpContext context)
    {
        if (context.Response.HasStarted)
            return;
        if (context.Features.Get<IStatusCodePagesFeature>() is { } pages)
            pages.Enabled = false;
        context.Response.Clear();
        context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        context.RequestServices.GetRequiredService<ClientFaultCounter>().Count(RefusalCodes.ClientClosedRequest);
    }

    private static async Task WatchAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (Exception exception)
            when (exception is OperationCanceledException or IOException && (HasHappened(context) || IsDisconnect(exception)))
        {
            End(context);
            return;
        }
        var response = context.Response;
        if (response.HasStarted || response.StatusCode is < StatusCodes.Status400BadRequest or StatusCodes.Status499ClientClosedRequest)
            return;
        // An unreadable body is malformed, or its client has disconnected.
        if (response.StatusCode == StatusCodes.Status400BadRequest && context.Request.ContentLength is > 0)
            await Task.Delay(CancellationDelay, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (HasHappened(context))
            End(context);
    }
}
