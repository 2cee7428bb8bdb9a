using System.Text.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>Erases a customer from the bodies of deliveries.</summary>
internal static class DeliveryErasure
{
    public static void MapDeliveryErasure(this IEndpointRouteBuilder routes) =>
        routes.MapCustomerErasure<DataPlatformDbContext>("dataplatform", ReplaceAsync, KnowsAllAsync);

    // A delivery that is created later would bring the old id back. From a later comparison, it has the new one.
    private static async Task<bool> KnowsAllAsync(
        DataPlatformDbContext database, EraseCustomer command, CancellationToken cancellationToken) =>
        command.LastOutcomeAt is not { } last || await database.Destinations
            .AnyAsync(row => row.Name == Destination.Platform && row.ReconciledTo >= last, cancellationToken);

    private static async Task<string?> ReplaceAsync(
        DataPlatformDbContext database, EraseCustomer command, CancellationToken cancellationToken)
    {
        foreach (var ids in CustomerErasureRoute.PartsOf(command))
        {
            var deliveries = await database.Deliveries.Where(delivery => ids.Contains(delivery.ReservationId))
                .Select(delivery => new { delivery.DeliveryId, delivery.Payload }).ToListAsync(cancellationToken);
            foreach (var delivery in deliveries)
            {
                var body = Replace(delivery.Payload, command);
                await database.Deliveries.Where(row => row.DeliveryId == delivery.DeliveryId)
                    .ExecuteUpdateAsync(set => set.SetProperty(row => row.Payload, body), cancellationToken);
            }
        }
        return null;
    }

    // The rest of the body stays as it was sent. A quotation mark inside of a JSON string is escaped, so the text is a member.
    private static string Replace(string payload, EraseCustomer command) =>
        payload.Replace(MemberOf(command.UserId), MemberOf(command.Pseudonym), StringComparison.Ordinal);

    private static string MemberOf(string userId) => $"\"userId\":{JsonSerializer.Serialize(userId, JsonSerializerOptions.Web)}";
}
