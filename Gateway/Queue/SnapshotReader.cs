using System.Text.Json;
using ConcertSaga.Gateway.Upstream;
using ConcertSaga.Shared.Hosting.Background;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Reads <c>/internal/queue/snapshot</c> at the start and whenever <see cref="RoomDirectory.WantsSnapshot"/>, at most once a second.
/// </summary>
internal sealed partial class SnapshotReader(
    RoomDirectory rooms, UpstreamClient upstream, TimeProvider time, ILogger<SnapshotReader> logger)
    : PeriodicTask("Reading the snapshot of the waiting rooms", TimeSpan.FromMilliseconds(100), time, logger)
{
    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time = time;
    private readonly ILogger _logger = logger;
    private readonly Lock _gate = new();
    private Task<bool> _last = Task.FromResult(false);
    private long? _started;
    private bool _failing;

    /// <summary>Starts a read, or joins one that is running or less than a second old.</summary>
    /// <returns>Whether the read succeeded.</returns>
    public Task<bool> ReadAsync()
    {
        lock (_gate)
        {
            if (!_last.IsCompleted || (_started is { } started && _time.GetElapsedTime(started) < MinInterval))
                return _last;
            _started = _time.GetTimestamp();
            return _last = Task.Run(ReadOnceAsync);
        }
    }

    protected override bool RunsAtStart => true;

    public override Task RunOnceAsync(CancellationToken cancellationToken) => rooms.WantsSnapshot ? ReadAsync() : Task.CompletedTask;

    private async Task<bool> ReadOnceAsync()
    {
        try
        {
            var requestedAt = _time.GetTimestamp();
            using var response = await upstream.GetAsync("queue", "/internal/queue/snapshot", Timeout, CancellationToken.None);
            response.EnsureSuccessStatusCode();
            var snapshot = await response.Content.ReadFromJsonAsync(QueueJson.Default.QueueSnapshot);
            rooms.Apply(snapshot ?? throw new JsonException("The snapshot is empty."), requestedAt);
            if (_failing)
                LogRecovered(_logger);
            _failing = false;
            return true;
        }
        catch (Exception exception)
        {
            if (!_failing)
                LogFailed(_logger, exception.Message.ReplaceLineEndings(" "));
            _failing = true;
            return false;
        }
    }

    [LoggerMessage(7001, LogLevel.Warning,
        "The gateway cannot read the snapshot of the waiting rooms: {Reason} It refuses passes once the last news is older than 5 s.")]
    private static partial void LogFailed(ILogger logger, string reason);

    [LoggerMessage(7002, LogLevel.Information, "The gateway reads the snapshot of the waiting rooms again.")]
    private static partial void LogRecovered(ILogger logger);
}
