using ConcertSaga.Shared.Hosting.Failures;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Background;

/// <summary>
/// Logs an outage of repeated work in two lines: one at its beginning and one at its end. Failures in between are silent, so an outage of
/// an hour does not fill the log.
/// </summary>
/// <param name="work">The work, as the subject of a sentence, such as <c>Deleting old charge keys</c>.</param>
/// <param name="logger">The logger of the component that does the work.</param>
/// <param name="clock">Measures how long the outage lasted.</param>
public sealed partial class OutageLog(string work, ILogger logger, TimeProvider clock)
{
    // The start of the outage; 0 while there is none. Several threads may report.
    private long _since;

    /// <summary>Reports a failed attempt. Only the first of an outage is logged, with a stack trace unless it is transient.</summary>
    public void Failed(Exception exception)
    {
        if (Interlocked.CompareExchange(ref _since, Math.Max(1, clock.GetTimestamp()), 0) != 0)
            return;
        var reason = exception.Message.ReplaceLineEndings(" ");
        if (FailurePolicy.IsTransient(exception))
            LogOutageBegan(logger, work, reason);
        else
            LogFailureBegan(logger, exception, work);
    }

    /// <summary>Reports a successful attempt.</summary>
    public void Succeeded()
    {
        if (Volatile.Read(ref _since) == 0 || Interlocked.Exchange(ref _since, 0) is not (var since and not 0))
            return;
        var seconds = clock.GetElapsedTime(since).TotalSeconds;
        LogOutageEnded(logger, work, seconds);
    }

    [LoggerMessage(EventId = 1001, Level = LogLevel.Warning, Message = "{Work} fails and is retried until it succeeds: {Reason}")]
    private static partial void LogOutageBegan(ILogger logger, string work, string reason);

    [LoggerMessage(EventId = 1002, Level = LogLevel.Error, Message = "{Work} fails unexpectedly and is retried until it succeeds.")]
    private static partial void LogFailureBegan(ILogger logger, Exception exception, string work);

    [LoggerMessage(EventId = 1003, Level = LogLevel.Information, Message = "{Work} succeeds again after {Seconds:F0} s.")]
    private static partial void LogOutageEnded(ILogger logger, string work, double seconds);
}
