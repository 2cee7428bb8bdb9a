using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Operations;

/// <summary>Chooses and redrives deliveries for Operations. The gateway does not route here.</summary>
internal static class DeliveryBulkEndpoints
{
    public static void MapDeliveryBulk(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/internal/deliveries/choice", ChooseDeliveries);
        routes.MapPost("/internal/deliveries/changes", RedriveDeliveries);
    }

    /// <summary>Chooses the oldest deliveries that match a filter.</summary>
    internal static async Task<Ok<BulkChosen<Guid, DeliveryView>>> ChooseDeliveries(
        BulkChoice<DeliveryFilter> body, DataPlatformDbContext database, CancellationToken cancellationToken)
    {
        body.Filter?.Check("filter.eventType");
        var ids = body.Filter is not { } filter ? [.. body.Ids ?? []]
            : await (filter with { Status = filter.Status ?? DeliveryStatus.Dead }).First(database.Deliveries, rows => rows
                .OrderBy(delivery => delivery.CreatedAt).ThenBy(delivery => delivery.DeliveryId), body.Limit)
                .Select(delivery => delivery.DeliveryId).ToListAsync(cancellationToken);
        var sampled = ids.Take(body.SampleSize).ToList();
        var sample = await database.Deliveries.AsNoTracking().Where(delivery => sampled.Contains(delivery.DeliveryId))
            .OrderBy(delivery => delivery.CreatedAt).ThenBy(delivery => delivery.DeliveryId).ToListAsync(cancellationToken);
        return TypedResults.Ok(new BulkChosen<Guid, DeliveryView>(ids, sample.ConvertAll(DeliveryView.Of)));
    }

    /// <summary>Redrives the deliveries whose action is not recorded yet. Skips those that are being sent.</summary>
    internal static async Task<Ok<BulkResult[]>> RedriveDeliveries(
        BulkChange body, DataPlatformDbContext database, Dispatcher dispatcher, TimeProvider clock, CancellationToken cancellationToken)
    {
        var actionIds = Array.ConvertAll(body.Items, item => item.ActionId);
        var done = (await database.Actions.Where(action => actionIds.Contains(action.ActionId)).Select(action => action.ActionId)
            .ToListAsync(cancellationToken)).ToHashSet();
        var open = body.Items.Where(item => !done.Contains(item.ActionId)).ToDictionary(item => item.Id, item => item.ActionId);
        if (open.Count > 0 && body.Starts)
        {
            var sent = await DeliveryEndpoints.SendAgainAsync(
                database, open, body.Operator, body.Reason, clock.GetUtcNow(), cancellationToken);
            done.UnionWith(sent.Select(id => open[id]));
            dispatcher.Wake();
        }
        var ids = open.Keys.ToList();
        var existing = (await database.Deliveries.Where(delivery => ids.Contains(delivery.DeliveryId))
            .Select(delivery => delivery.DeliveryId).ToListAsync(cancellationToken)).ToHashSet();
        return TypedResults.Ok(Array.ConvertAll(body.Items, item =>
            done.Contains(item.ActionId) ? new BulkResult(item.ActionId, ItemOutcome.Succeeded, null)
            : new BulkResult(item.ActionId, ItemOutcome.Skipped,
                existing.Contains(item.Id) ? "The relay is sending this delivery." : "The delivery does not exist.")));
    }
}
