using ConcertSaga.Contracts.Operations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>The numbers of deliveries that wait for the relay or for an operator.</summary>
internal sealed record DeliveryBacklog(int Pending, DateTimeOffset? OldestPendingAt, int Dead)
{
    public static async Task<DeliveryBacklog> ReadAsync(DataPlatformDbContext database, CancellationToken cancellationToken)
    {
        var pending = await database.Deliveries.Where(delivery => delivery.Status == DeliveryStatus.Pending)
            .GroupBy(_ => 1).Select(group => new { Count = group.Count(), Oldest = group.Min(delivery => delivery.CreatedAt) })
            .SingleOrDefaultAsync(cancellationToken);
        var dead = await database.Deliveries.InAllParts()
            .CountAsync(delivery => delivery.Status == DeliveryStatus.Dead, cancellationToken);
        return new DeliveryBacklog(pending?.Count ?? 0, pending?.Oldest, dead);
    }
}

/// <summary>Serves the state of the relay to Operations. The gateway does not route here.</summary>
internal static class RelayOverviewEndpoints
{
    public static void MapRelayOverview(this IEndpointRouteBuilder routes) => routes.MapGet("/internal/overview/relay", GetOverview);

    /// <summary>Returns the backlog and the state of the destination.</summary>
    internal static async Task<Ok<RelayOverview>> GetOverview(
        DataPlatformDbContext database, Breaker breaker, CancellationToken cancellationToken)
    {
        var backlog = await DeliveryBacklog.ReadAsync(database, cancellationToken);
        var destination = await database.Destinations.AsNoTracking()
            .SingleAsync(row => row.Name == Destination.Platform, cancellationToken);
        return TypedResults.Ok(new RelayOverview(backlog.Pending, backlog.OldestPendingAt, backlog.Dead, destination.PausedAt,
            destination.PauseReason, breaker.State.ToString(), breaker.Trouble?.Reason, destination.ReconciledTo));
    }
}
