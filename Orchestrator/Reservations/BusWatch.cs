using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Knows whether new work can be taken: the bus is connected and what was decided leaves within ten seconds. Otherwise booking answers 503
/// while reads go on, and the sweeper rests; and Queue, which is told every second, lets nobody in.
/// </summary>
public sealed partial class BusWatch(
#if !OFFICIAL_PERSISTENCE
    OutboxBacklog<OrchestratorDbContext> backlog,
#endif
    IBusControl bus, IOptions<MessagingOptions> messaging, TimeProvider clock, ILogger<BusWatch> logger)
    : BackgroundService, IHealthCheck
{
    private static readonly TimeSpan OldestAllowed = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();

#if OFFICIAL_PERSISTENCE
    // The official package does not tell what waits.
    private static TimeSpan OldestAge => TimeSpan.Zero;
    private static int Backlog => 0;
#endif
#if !OFFICIAL_PERSISTENCE
    private TimeSpan OldestAge => backlog.OldestAge;
    private int Backlog => backlog.Messages;
#endif

    /// <summary>Since when the bus has been healthy without a break; null while it is not.</summary>
    public DateTimeOffset? HealthySince { get; private set; }

    /// <summary>Whether the bus is connected, as of now.</summary>
    public bool IsHealthy => bus.CheckHealth().Status == BusHealthStatus.Healthy;

    /// <summary>Whether new work can be taken.</summary>
    public bool IsOpen => IsHealthy && OldestAge < OldestAllowed;

    /// <summary>Whether other processes may wait for the same reservations.</summary>
    public bool HasReplicas => messaging.Value.Transport != MessagingTransport.InMemory;

    /// <summary>Cancelled when the process ends.</summary>
    public CancellationToken Stopping => _stopping.Token;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(OldestAge < OldestAllowed
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, $"The oldest undelivered message is {OldestAge.TotalSeconds:F0} s old."));

    public override void Dispose()
    {
        // The base cancels the token that cancels this one.
        base.Dispose();
        _stopping.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        stoppingToken.Register(_stopping.Cancel);
        using var timer = new PeriodicTimer(Interval, clock);
        var (report, reportAt) = (Task.CompletedTask, clock.GetUtcNow());
        while (await Next(timer, stoppingToken))
        {
            HealthySince = IsHealthy ? HealthySince ?? clock.GetUtcNow() : null;
            // One at a time: a broker that is away gets no pile of reports that say nothing any more.
            if (IsHealthy && report.IsCompleted && clock.GetUtcNow() >= reportAt)
                (report, reportAt) = (ReportAsync(stoppingToken), clock.GetUtcNow() + ReportInterval);
        }
        await report;
    }

    private async Task ReportAsync(CancellationToken stoppingToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        limit.CancelAfter(ReportInterval * 3);
        try
        {
            // Straight to the bus: late or after a restart it would be wrong.
            await bus.Publish(new BookingReported(IsOpen, Backlog, clock.GetUtcNow()), limit.Token);
        }
        catch (Exception exception)
        {
            // Whoever hears nothing knows enough.
            LogNotReported(exception.Message);
        }
    }

    private static async Task<bool> Next(PeriodicTimer timer, CancellationToken stoppingToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(1101, LogLevel.Debug, "Whether reservations are taken was not reported: {Reason}")]
    private partial void LogNotReported(string reason);
}
