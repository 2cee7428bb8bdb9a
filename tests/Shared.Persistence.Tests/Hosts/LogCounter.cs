using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Collects the warnings and errors of a host.</summary>
public sealed class LogCounter : ILoggerProvider
{
    private readonly ConcurrentQueue<(string Category, string Text)> _lines = new();

    public IReadOnlyCollection<(string Category, string Text)> Lines => _lines;

    /// <summary>The number of lines that the outbox itself has logged.</summary>
    public int OfTheOutbox =>
        _lines.Count(line => line.Category.StartsWith("MassTransit.EntityFrameworkCoreIntegration", StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, _lines);

    public void Dispose()
    {
    }

    private sealed class Logger(string category, ConcurrentQueue<(string Category, string Text)> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull =>
            null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                lines.Enqueue((category, formatter(state, exception)));
        }
    }
}
