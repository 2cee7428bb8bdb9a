using System.Globalization;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>
/// Reports <c>Degraded</c> with a reason while deliveries wait: paused, refused by the destination, or without a destination.
/// </summary>
internal sealed class DestinationHealth(DataPlatformDbContext database, Breaker breaker, Sender sender) : IHealthCheck
{
    /// <inheritdoc />
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (!sender.IsReady)
            return HealthCheckResult.Degraded("The relay sends nothing: DataPlatform:Destination or DataPlatform:Secrets is not set.");
        var row = await database.Destinations.AsNoTracking().SingleAsync(row => row.Name == Destination.Platform, cancellationToken);
        if (row is { PausedAt: { } at, PausedBy: var by, PauseReason: var why })
            return HealthCheckResult.Degraded(string.Create(CultureInfo.InvariantCulture,
                $"Deliveries are paused by {by} since {at:u}: {why}"));
        return breaker.Trouble is { } trouble
            ? HealthCheckResult.Degraded(string.Create(CultureInfo.InvariantCulture,
                $"The destination has accepted no deliveries since {trouble.Since:u}: {ReasonOf(trouble)}"))
            : HealthCheckResult.Healthy();
    }

    // Anyone can read the health, and the texts of the HTTP client name addresses. The log and the view of the destination have them.
    private static string ReasonOf(Trouble trouble) => trouble.Kind switch
    {
        "network" => "It cannot be reached.",
        "tls" => "The TLS handshake with it fails.",
        _ => trouble.Reason
    };
}
