using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Ready is a gateway all the same: what needs no pass is served, and the rest is refused with the reason.</summary>
internal sealed class QueueKnowledgeCheck(WaitingRoom room) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(room.IsFresh && room.HasKeys ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded("What is known of the waiting rooms is too old to judge a pass, or nothing is."));
}
