using ConcertSaga.Shared.Hosting.Failures;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Chooses the response and the log line for a request that failed with an exception.</summary>
internal sealed partial class RequestFailureHandler(TimeProvider clock, ILogger<RequestFailureHandler> logger) : IExceptionHandler
{
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    private long _failures;
    private long _loggedAt;

    /// <summary>Ends the request of a client that hung up: it is neither an error nor a refusal.</summary>
    public ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (!httpContext.RequestAborted.IsCancellationRequested)
            return ValueTask.FromResult(false);
        if (!httpContext.Response.HasStarted)
            httpContext.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        return ValueTask.FromResult(true);
    }

    /// <summary>Returns the status of the response.</summary>
    public static int StatusOf(Exception exception) => exception switch
    {
        BadHttpRequestException bad => bad.StatusCode,
        _ when IsTemporary(exception) => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError
    };

    /// <summary>
    /// Whether an exception must not be logged with its stack trace. Errors of clients are not logged at all, transient failures once a
    /// minute. Otherwise an outage would hide real bugs.
    /// </summary>
    public static bool IsHandled(ExceptionHandlerSuppressDiagnosticsContext context)
    {
        if (context.Exception is BadHttpRequestException || context.HttpContext.RequestAborted.IsCancellationRequested)
            return true;
        if (!IsTemporary(context.Exception))
            return false;
        var exception = context.Exception.GetBaseException();
        context.HttpContext.RequestServices.GetRequiredService<RequestFailureHandler>()
            .Report($"{exception.GetType().Name}: {exception.Message}");
        return true;
    }

    // Shutdown also cancels work. The client can repeat the request on another replica.
    private static bool IsTemporary(Exception exception) => exception is OperationCanceledException || FailurePolicy.IsTransient(exception);

    /// <summary>Counts a request that gets a 503, and logs at most one line a minute.</summary>
    public void Report(string reason)
    {
        Interlocked.Increment(ref _failures);
        var (last, now) = (Volatile.Read(ref _loggedAt), Math.Max(1, clock.GetTimestamp()));
        if ((last != 0 && clock.GetElapsedTime(last, now) < LogInterval) || Interlocked.CompareExchange(ref _loggedAt, now, last) != last)
            return;
        var latest = reason.ReplaceLineEndings(" ");
        LogUnavailable(logger, Interlocked.Exchange(ref _failures, 0), latest);
    }

    [LoggerMessage(EventId = 1101, Level = LogLevel.Warning,
        Message = "Requests are answered with 503, {Count} of them since the last such line. Latest reason: {Reason}")]
    private static partial void LogUnavailable(ILogger logger, long count, string reason);
}
