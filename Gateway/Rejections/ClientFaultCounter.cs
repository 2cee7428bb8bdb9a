using System.Collections.Concurrent;
using ConcertSaga.Shared.Hosting.Background;

namespace ConcertSaga.Gateway.Rejections;

/// <summary>
/// Counts requests that are unreadable, too large or too slow, or that the client aborts, and logs the counts by code once a minute. Anyone
/// can send such requests, so a single one gets no log line.
/// </summary>
internal sealed partial class ClientFaultCounter(TimeProvider time, ILogger<ClientFaultCounter> logger)
    : PeriodicTask("Counting client faults", TimeSpan.FromMinutes(1), time, logger)
{
    private readonly ILogger _logger = logger;
    private ConcurrentDictionary<string, int> _counts = new();

    /// <summary>Counts one request.</summary>
    public void Count(string code) => _counts.AddOrUpdate(code, 1, (_, count) => count + 1);

    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        if (!_counts.IsEmpty)
        {
            var counts = Interlocked.Exchange(ref _counts, new());
            LogCounts(string.Join(", ", counts.OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Value} {pair.Key}")));
        }
        return Task.CompletedTask;
    }

    [LoggerMessage(7020, LogLevel.Information,
        "Errors of clients in the last minute: {Counts}. They sent unreadable, oversized or slow requests, or hung up; the service works.")]
    private partial void LogCounts(string counts);
}
