using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tokens;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.Queue.Admission;

/// <summary>Reports each protective state of the waiting rooms as degraded, not unhealthy, because the service still answers.</summary>
internal sealed class WaitingRoomCheck(BookingWatch booking, KeyRing keys) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        string?[] problems = [booking.IsStarting ? null : booking.Problem, keys.Problem];
        var reason = string.Join(' ', problems.Where(problem => problem is not null));
        return Task.FromResult(reason.Length == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(reason));
    }
}
