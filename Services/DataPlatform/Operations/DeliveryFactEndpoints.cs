using ConcertSaga.Contracts.Facts;
using ConcertSaga.DataPlatform.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>Serves deliveries to Operations, which compares them with the reservations.</summary>
internal static class DeliveryFactEndpoints
{
    public static void MapDeliveryFacts(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/internal/facts/deliveries", ReadDeliveryFacts);

    /// <summary>Reads the deliveries of these reservations.</summary>
    internal static async Task<Ok<DeliveryFacts>> ReadDeliveryFacts(
        FactRequest body, DataPlatformDbContext database, IOptions<DataPlatformOptions> options, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var ids = body.Ids;
        // Without the payload, which can be large.
        var rows = await database.Deliveries.Where(delivery => ids.Contains(delivery.ReservationId))
            .OrderBy(delivery => delivery.ReservationId).ThenBy(delivery => delivery.Sequence)
            .Select(delivery => new
            {
                delivery.DeliveryId,
                delivery.ReservationId,
                delivery.EventType,
                delivery.Sequence,
                delivery.Status,
                delivery.Attempts,
                delivery.CreatedAt,
                delivery.CompletedAt,
                delivery.LastError
            }).ToListAsync(cancellationToken);
        return TypedResults.Ok(new DeliveryFacts(
            [.. rows.Select(row => new DeliveryFact(row.DeliveryId, row.ReservationId, row.EventType, row.Sequence, row.Status.ToString(),
                row.Attempts, row.CreatedAt, row.CompletedAt, row.LastError))],
            clock.GetUtcNow() - options.Value.Retention));
    }
}
