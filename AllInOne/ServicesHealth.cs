using ConcertSaga.Shared.Hosting;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Reports the health of the services' host at the public address: its worst status, with the reasons of each unhealthy check.
/// </summary>
internal sealed class ServicesHealth(HealthCheckService services) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var report = await services.CheckHealthAsync(cancellationToken);
        var reasons = report.Entries.Where(entry => entry.Value.Status != HealthStatus.Healthy)
            .Select(entry => $"{entry.Key} is {entry.Value.Status}: {ServiceDefaults.ReasonOf(entry.Value)}");
        return new HealthCheckResult(report.Status, string.Join(" ", reasons));
    }
}
