using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Reports what keeps customers out although every process runs. The gateway stays ready, because it still serves routes that need no
/// pass.
/// </summary>
internal sealed class QueueHealthCheck(QueueMonitor monitor) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        string[] reasons = [.. new[] { monitor.Gap, monitor.Suspension }.OfType<string>()];
        return Task.FromResult(reasons.Length == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(string.Join(' ', reasons)));
    }
}
