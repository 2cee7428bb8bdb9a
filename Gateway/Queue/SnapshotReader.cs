using System.Text.Json;
using ConcertSaga.Gateway.Proxy;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Reads <c>/internal/queue/snapshot</c> at start and whenever <see cref="WaitingRoom.WantsSnapshot"/>, at most once a second.</summary>
internal sealed partial class SnapshotReader(WaitingRoom room, InnerClient inner, TimeProvider time, ILogger<SnapshotReader> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private Task<bool> _last = Task.FromResult(false);
    private long? _started;
    private bool _failing;

    /// <summary>Joins the reading that is under way or less than a second old, or else begins one.</summary>
    /// <returns>Whether it succeeded.</returns>
    public Task<bool> ReadAsync()
    {
        lock (_gate)
        {
            if (!_last.IsCompleted || (_started is { } started && time.GetElapsedTime(started) < Pause))
                return _last;
            _started = time.GetTimestamp();
            return _last = Task.Run(ReadOnceAsync);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Look, time);
        do
        {
            if (room.WantsSnapshot)
                await ReadAsync();
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task<bool> ReadOnceAsync()
    {
        try
        {
            var asked = time.GetTimestamp();
            using var response = await inner.GetAsync("queue", "/internal/queue/snapshot", Timeout, CancellationToken.None);
            response.EnsureSuccessStatusCode();
            var snapshot = await response.Content.ReadFromJsonAsync(GatewayJson.Default.QueueSnapshot);
            room.Apply(snapshot ?? throw new JsonException("The snapshot is empty."), asked);
            if (_failing)
                LogReadAgain(logger);
            _failing = false;
            return true;
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or NullReferenceException)
        {
            if (!_failing)
                LogNotRead(logger, exception.Message);
            _failing = true;
            return false;
        }
    }

    [LoggerMessage(6001, LogLevel.Warning, "The snapshot of the waiting rooms cannot be read: {Reason} Passes are refused when the last news is older than 5 s.")]
    private static partial void LogNotRead(ILogger logger, string reason);

    [LoggerMessage(6002, LogLevel.Information, "The snapshot of the waiting rooms is read again.")]
    private static partial void LogReadAgain(ILogger logger);
}
