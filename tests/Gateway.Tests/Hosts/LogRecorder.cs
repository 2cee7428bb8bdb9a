using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>A line of a log.</summary>
public sealed record LogLine(string Category, LogLevel Level, string Text, Exception? Exception);

/// <summary>Records the lines that a host logs after its filters.</summary>
public sealed class LogRecorder : ILoggerProvider
{
    private readonly List<LogLine> _lines = [];

    /// <summary>The lines so far.</summary>
    public LogLine[] All
    {
        get
        {
            lock (_lines)
                return [.. _lines];
        }
    }

    /// <summary>The lines with the level of a warning or above.</summary>
    public LogLine[] Warnings => [.. All.Where(line => line.Level >= LogLevel.Warning)];

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(LogRecorder lines, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lock (lines._lines)
                lines._lines.Add(new LogLine(category, logLevel, formatter(state, exception), exception));
        }
    }
}
