using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>Counts pending and dead deliveries for the metrics, and logs when a pause begins and ends.</summary>
internal sealed partial class DeliveryCounter(IServiceScopeFactory scopes, RelayMetrics metrics, TimeProvider clock,
    ILogger<DeliveryCounter> logger)
    : PeriodicTask("Counting deliveries", TimeSpan.FromSeconds(10), clock, logger)
{
    private readonly TimeProvider _clock = clock;
    private readonly ILogger<DeliveryCounter> _logger = logger;
    private bool _isPaused;

    /// <inheritdoc />
    protected override bool RunsAtStart => true;

    /// <inheritdoc />
    public override Task RunOnceAsync(CancellationToken cancellationToken) => CountAsync(cancellationToken);

    public async Task CountAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>();
        var backlog = await DeliveryBacklog.ReadAsync(database, cancellationToken);
        var destination = await database.Destinations.AsNoTracking()
            .SingleAsync(row => row.Name == Destination.Platform, cancellationToken);
        var isPaused = destination.PausedAt is not null;
        metrics.SetBacklog(backlog.Pending, backlog.OldestPendingAt is { } oldest ? (_clock.GetUtcNow() - oldest).TotalSeconds : 0,
            backlog.Dead, isPaused);
        if (isPaused && !_isPaused)
            LogPaused(destination.PausedBy, destination.PauseReason);
        else if (!isPaused && _isPaused)
            LogResumed();
        _isPaused = isPaused;
    }

    [LoggerMessage(6013, LogLevel.Warning, "Deliveries are paused by {By} until an operator resumes them. Reason: {Reason}")]
    private partial void LogPaused(string? by, string? reason);

    [LoggerMessage(6014, LogLevel.Information, "Deliveries are no longer paused.")]
    private partial void LogResumed();
}
