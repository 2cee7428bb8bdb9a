using ConcertSaga.Orchestrator.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Knows whether new work can be taken: the bus is connected and what was decided leaves within ten seconds. Otherwise booking answers 503
/// while reads go on, and the sweeper rests.
/// </summary>
public sealed class BusWatch(IServiceScopeFactory scopes, IBusControl bus, IOptions<MessagingOptions> messaging, TimeProvider clock)
    : BackgroundService, IHealthCheck
{
    private static readonly TimeSpan OldestAllowed = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly CancellationTokenSource _stopping = new();
    private TimeSpan _oldest;

    /// <summary>Since when the bus has been healthy without a break; null while it is not.</summary>
    public DateTimeOffset? HealthySince { get; private set; }

    /// <summary>Whether the bus is connected, as of now.</summary>
    public bool IsHealthy => bus.CheckHealth().Status == BusHealthStatus.Healthy;

    /// <summary>Whether new work can be taken.</summary>
    public bool IsOpen => IsHealthy && _oldest < OldestAllowed;

    /// <summary>Whether other processes may wait for the same reservations.</summary>
    public bool HasReplicas => messaging.Value.Transport != MessagingTransport.InMemory;

    /// <summary>Cancelled when the process ends.</summary>
    public CancellationToken Stopping => _stopping.Token;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_oldest < OldestAllowed
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, $"The oldest undelivered message is {_oldest.TotalSeconds:F0} s old."));

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
        while (await Next(timer, stoppingToken))
        {
            HealthySince = IsHealthy ? HealthySince ?? clock.GetUtcNow() : null;
            try
            {
                _oldest = await OldestAsync(stoppingToken);
            }
            catch (Exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The database's own health check says so; the age stays what it was.
            }
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

    private async Task<TimeSpan> OldestAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        var outbox = await database.Set<OutboxState>().Where(row => row.Delivered == null).OrderBy(row => row.Created)
            .Select(row => (DateTime?)row.Created).FirstOrDefaultAsync(cancellationToken);
        var inbox = await database.Set<InboxState>().Where(row => row.Delivered == null).OrderBy(row => row.Id)
            .Select(row => row.Consumed).FirstOrDefaultAsync(cancellationToken);
        var oldest = outbox < inbox || inbox is null ? outbox : inbox;
        return oldest is null ? TimeSpan.Zero : clock.GetUtcNow().UtcDateTime - oldest.Value;
    }
}
