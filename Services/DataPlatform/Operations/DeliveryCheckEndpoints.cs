using ConcertSaga.Contracts.DataPlatform;
using ConcertSaga.DataPlatform.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>Tells the orchestrator what the data platform does not have yet. The gateway does not route here.</summary>
internal static class DeliveryCheckEndpoints
{
    public static void MapDeliveryCheck(this IEndpointRouteBuilder routes) => routes.MapPost("/internal/deliveries/check", CheckDeliveries);

    /// <summary>
    /// Returns which of the reservations have an undelivered event, and up to which instant the relay knows the outcomes. Delivered rows
    /// are deleted in time, so a reservation without a row is delivered only if its outcome is known.
    /// </summary>
    internal static async Task<Ok<DeliveryCheckResult>> CheckDeliveries(
        DeliveryCheck body, DataPlatformDbContext database, CancellationToken cancellationToken)
    {
        var ids = body.ReservationIds;
        // Read first: what becomes known in between may have an undelivered row.
        var reconciledTo = await database.Destinations.Where(row => row.Name == Destination.Platform).Select(row => row.ReconciledTo)
            .SingleAsync(cancellationToken);
        var undelivered = await database.Deliveries
            .Where(delivery => ids.Contains(delivery.ReservationId)
                && (delivery.Status == DeliveryStatus.Pending || delivery.Status == DeliveryStatus.Dead))
            .Select(delivery => delivery.ReservationId).Distinct().ToArrayAsync(cancellationToken);
        return TypedResults.Ok(new DeliveryCheckResult(reconciledTo, undelivered));
    }
}
