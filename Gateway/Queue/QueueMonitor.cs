using System.Diagnostics.Metrics;
using ConcertSaga.Shared.Hosting.Background;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Reports when the gateway refuses passes because its state of the waiting rooms is incomplete: with a log line at the beginning and the
/// end, a gauge, and <see cref="QueueHealthCheck"/>.
/// </summary>
internal sealed partial class QueueMonitor : PeriodicTask
{
    private readonly Meter _meter = new("ConcertSaga");
    private readonly RoomDirectory _rooms;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly long _started;
    private long? _gapSince;

    public QueueMonitor(RoomDirectory rooms, TimeProvider time, ILogger<QueueMonitor> logger)
        : base("Monitoring the state of the waiting rooms", TimeSpan.FromSeconds(1), time, logger)
    {
        _rooms = rooms;
        _time = time;
        _logger = logger;
        _started = time.GetTimestamp();
        _meter.CreateObservableGauge("concertsaga.gateway.passes_unjudged", () => Gap is null ? 0 : 1, "{gateway}",
            "1 while this gateway refuses the passes of a concert because its state of the waiting rooms is incomplete.");
        _meter.CreateObservableGauge("concertsaga.gateway.rooms_suspended", () => _rooms.Suspended.Length, "{room}",
            "Waiting rooms that Queue has suspended because the orchestrator takes no reservations.");
    }

    /// <summary>Why the gateway cannot check passes; null if it can.</summary>
    public string? Gap =>
        !_rooms.HasKeys ? "The gateway cannot check queue tokens: it has not read a snapshot with keys from Queue yet."
        : !_rooms.IsFresh
            ? $"The gateway cannot check passes: the last news from Queue is older than {RoomDirectory.MaxAge.TotalSeconds:0} s, "
                + "or its clock differs by more than that."
        : _rooms.ConcertsWithOldGaps is { Length: > 0 } concerts
            ? $"The gateway cannot check passes of {Name(concerts)}: messages of their waiting rooms are missing."
        : null;

    /// <summary>The waiting rooms that Queue has suspended; null if there are none.</summary>
    public string? Suspension =>
        _rooms.Suspended is { Length: > 0 } concerts
            ? $"Queue has suspended admission to {Name(concerts)}: "
                + "the orchestrator has not reported lately, its clock differs, or it has too large a backlog."
            : null;

    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        if (Gap is { } gap)
        {
            // After a start, the first snapshot takes a moment.
            if (_gapSince is null && _time.GetElapsedTime(_started) > RoomDirectory.MaxAge)
            {
                _gapSince = _time.GetTimestamp();
                LogGap(gap);
            }
        }
        else if (_gapSince is { } since)
        {
            _gapSince = null;
            LogGapClosed(_time.GetElapsedTime(since).TotalSeconds);
        }
        return Task.CompletedTask;
    }

    /// <summary>Whether the meter belongs to this gateway. A process can contain several gateways.</summary>
    internal bool Owns(Meter meter) => ReferenceEquals(meter, _meter);

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    private static string Name(int[] concerts) =>
        $"concert{(concerts.Length == 1 ? "" : "s")} {string.Join(", ", concerts.Take(10))}{(concerts.Length > 10 ? ", …" : "")}";

    [LoggerMessage(7003, LogLevel.Warning, "{Reason} Routes that need a pass answer 503 QUEUE_UNAVAILABLE.")]
    private partial void LogGap(string reason);

    [LoggerMessage(7004, LogLevel.Information, "The gateway checks passes again after {Seconds:F0} s.")]
    private partial void LogGapClosed(double seconds);
}
