using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Decides whether bookings are open: while the bus is connected and committed messages leave within ten seconds. While it is closed,
/// booking answers 503, reads go on, the sweeper rests, and Queue, which receives a report each second, admits no customer.
/// </summary>
public sealed class BookingGate(
    MessageBacklog backlog, IBusControl bus, IOptions<MessagingOptions> messaging, TimeProvider clock, ILogger<BookingGate> logger)
    : PeriodicTask("Checking the bus", Interval, clock, logger), IHealthCheck
{
    private static readonly TimeSpan MaxMessageAge = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private readonly OutageLog _reports = new("Reporting whether bookings are open", logger, clock);

    private Task _report = Task.CompletedTask;
    private long? _reportedAt;
    private bool _isDisposed;

    /// <summary>Since when the bus has been healthy without interruption; null while it is not.</summary>
    public DateTimeOffset? HealthySince { get; private set; }

    /// <summary>Whether the bus is connected at this moment.</summary>
    public bool IsHealthy => bus.CheckHealth().Status == BusHealthStatus.Healthy;

    /// <summary>Whether the orchestrator takes bookings.</summary>
    public bool IsOpen => IsHealthy && backlog.OldestAge < MaxMessageAge;

    /// <summary>Whether callers at other replicas may wait for the same reservations.</summary>
    public bool HasReplicas => messaging.Value.Transport != MessagingTransport.InMemory;

    /// <summary>Cancelled when the process ends.</summary>
    public CancellationToken Stopping => _stopping.Token;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(backlog.OldestAge < MaxMessageAge
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus,
                $"The oldest undelivered message is {backlog.OldestAge.TotalSeconds:F0} s old."));

    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        // An instant in the future comes from a clock that was ahead, and would make the sweeper rest until then.
        HealthySince = !IsHealthy ? null : HealthySince is { } since && since <= now ? since : now;
        // One report at a time, so a broker that is down does not receive a pile of outdated ones.
        if (IsHealthy && _report.IsCompleted && (_reportedAt is not { } last || Clock.GetElapsedTime(last) >= ReportInterval))
        {
            _report = ReportAsync();
            _reportedAt = Clock.GetTimestamp();
        }
        return Task.CompletedTask;
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await base.StopAsync(cancellationToken);
        await _report;
    }

    public override void Dispose()
    {
        // The container disposes a service once per registration, and a host may be disposed without having been stopped.
        if (_isDisposed)
            return;
        _isDisposed = true;
        _stopping.Cancel();
        base.Dispose();
        _stopping.Dispose();
    }

    private async Task ReportAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        limit.CancelAfter(ReportInterval * 3);
        try
        {
            // Past the outbox: a report that arrives late, or after a restart, would be wrong.
            await bus.Publish(new BookingReported(IsOpen, backlog.Count, Clock.GetUtcNow()), limit.Token);
            _reports.Succeeded();
        }
        catch (Exception exception)
        {
            // Queue suspends admission when it receives no report.
            if (!_stopping.IsCancellationRequested)
                _reports.Failed(exception);
        }
    }
}
