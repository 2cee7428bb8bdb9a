using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>
/// Keeps a process that has started not ready until it has connected to the broker once, for at most
/// <see cref="MessagingOptions.ConnectTimeout"/>. Otherwise a new replica would refuse bookings that the others accept.
/// </summary>
internal sealed class FirstConnection(IBusControl bus, IOptions<MessagingOptions> options, TimeProvider clock) : IHealthCheck
{
    private readonly long _started = clock.GetTimestamp();
    private bool _isOver;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        // An outage later leaves the process ready.
        _isOver = _isOver || bus.CheckHealth().Status == BusHealthStatus.Healthy
            || clock.GetElapsedTime(_started) >= options.Value.ConnectTimeout;
        return Task.FromResult(_isOver ? HealthCheckResult.Healthy()
            : HealthCheckResult.Unhealthy("The process has started, and connects to the message broker."));
    }
}
