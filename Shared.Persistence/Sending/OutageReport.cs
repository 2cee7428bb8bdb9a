using System.Data.Common;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Logs an outage of repeated work in two lines: one when it begins and one when it ends. It does not log the failures in between.
/// </summary>
/// <param name="work">The work that fails, as the subject of a sentence.</param>
/// <param name="logger">The logger of the component that does the work.</param>
/// <param name="clock">Measures how long the outage lasted.</param>
internal sealed partial class OutageReport(string work, ILogger logger, TimeProvider clock)
{
    // When the outage began, or 0 without one. Several threads may report at once.
    private long _since;

    /// <summary>Reports a failed attempt. Logs the stack trace unless the cause is the database or the network.</summary>
    public void Failed(Exception exception)
    {
        if (Interlocked.CompareExchange(ref _since, Math.Max(1, clock.GetTimestamp()), 0) != 0)
            return;
        var reason = exception.GetBaseException().Message.ReplaceLineEndings(" ");
        if (IsKnownTrouble(exception))
            LogBegan(logger, work, reason);
        else
            LogBeganUnexpectedly(logger, exception, work);
    }

    /// <summary>Reports an attempt that succeeded.</summary>
    public void Succeeded()
    {
        if (Volatile.Read(ref _since) == 0 || Interlocked.Exchange(ref _since, 0) is not (var since and not 0))
            return;
        var seconds = clock.GetElapsedTime(since).TotalSeconds;
        LogEnded(logger, work, seconds);
    }

    private static bool IsKnownTrouble(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is DbException or SocketException or IOException or TimeoutException or OperationCanceledException
                or MassTransitException)
            {
                return true;
            }
        }
        return false;
    }

    [LoggerMessage(EventId = 4101, Level = LogLevel.Warning, Message = "{Work} fails and is retried until it succeeds: {Reason}")]
    private static partial void LogBegan(ILogger logger, string work, string reason);

    [LoggerMessage(EventId = 4102, Level = LogLevel.Error, Message = "{Work} fails unexpectedly and is retried until it succeeds.")]
    private static partial void LogBeganUnexpectedly(ILogger logger, Exception exception, string work);

    [LoggerMessage(EventId = 4103, Level = LogLevel.Information, Message = "{Work} succeeds again after {Seconds:F0} s.")]
    private static partial void LogEnded(ILogger logger, string work, double seconds);
}
