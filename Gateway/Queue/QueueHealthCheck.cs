using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Reports what keeps customers out although every process runs. The gateway stays ready, because it still serves routes that need no
/// pass. Only a gateway that has never been able to check passes is not ready, for at most <see cref="MessagingOptions.ConnectTimeout"/>:
/// during a rollout, the gateway that it replaces still can.
/// </summary>
internal sealed class QueueHealthCheck(QueueMonitor monitor, IOptions<MessagingOptions> options, TimeProvider clock) : IHealthCheck
{
    private readonly long _started = clock.GetTimestamp();
    private bool _hasStarted;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var gap = monitor.Gap;
        _hasStarted = _hasStarted || gap is null || clock.GetElapsedTime(_started) >= options.Value.ConnectTimeout;
        if (!_hasStarted)
            return Task.FromResult(HealthCheckResult.Unhealthy(gap));
        string[] reasons = [.. new[] { gap, monitor.Suspension }.OfType<string>()];
        return Task.FromResult(reasons.Length == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(string.Join(' ', reasons)));
    }
}
