using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Operations;

internal static class DeliveryEndpoints
{
    public static void MapDeliveries(this IEndpointRouteBuilder routes)
    {
        var deliveries = routes.MapOperators("/ops/api/deliveries");
        deliveries.MapGet("", ListDeliveries).ProducesProblems(400);
        deliveries.MapGet("/{deliveryId:guid}", GetDelivery).ProducesProblems(404);
        deliveries.MapPost("/{deliveryId:guid}/send-again", SendAgain).ProducesProblems(400, 404, 409, 422);
        deliveries.MapPost("/{deliveryId:guid}/discard", Discard).ProducesProblems(400, 404, 409, 422);
    }

    /// <summary>Lists deliveries, newest first.</summary>
    internal static async Task<Ok<Page<DeliveryView>>> ListDeliveries(
        EnumName<DeliveryStatus>? status, string? eventType, Guid? reservationId, IsoInstant? from, IsoInstant? to,
        [Range(1, Paging.MaxOperatorLimit)] int? limit, string? cursor, DataPlatformDbContext database, CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var filter = new DeliveryFilter(status?.Value, eventType, reservationId, from, to);
        filter.Check(nameof(eventType));
        var after = Paging.Cursor<InstantKey<Guid>>(cursor);
        var page = await filter.First(database.Deliveries.AsNoTracking(), rows => Newest(rows, after), take + 1)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(
            page.ConvertAll(DeliveryView.Of), take, delivery => new InstantKey<Guid>(delivery.CreatedAt, delivery.DeliveryId)));
    }

    private static IOrderedQueryable<Delivery> Newest(IQueryable<Delivery> deliveries, InstantKey<Guid>? after)
    {
        if (after is var (createdAt, id))
            // The first condition lets the query start at its place in the index.
            deliveries = deliveries.Where(delivery => delivery.CreatedAt <= createdAt
                && (delivery.CreatedAt < createdAt || delivery.DeliveryId < id));
        return deliveries.OrderByDescending(delivery => delivery.CreatedAt).ThenByDescending(delivery => delivery.DeliveryId);
    }

    /// <summary>Returns one delivery with its body, its most recent attempts and the actions of operators.</summary>
    internal static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> GetDelivery(
        Guid deliveryId, DataPlatformDbContext database, CancellationToken cancellationToken)
    {
        var delivery = await database.Deliveries.AsNoTracking()
            .SingleOrDefaultAsync(row => row.DeliveryId == deliveryId, cancellationToken);
        if (delivery is null)
            return NotFound();
        var attempts = await database.Attempts.AsNoTracking().Where(attempt => attempt.DeliveryId == deliveryId)
            .OrderByDescending(attempt => attempt.Number)
            .Select(attempt =>
                new AttemptView(attempt.Number, attempt.At, attempt.StatusCode, attempt.DurationMilliseconds, attempt.Error))
            .ToListAsync(cancellationToken);
        var target = TargetOf(deliveryId);
        var actions = await database.Actions.AsNoTracking().Where(action => action.Target == target)
            .OrderByDescending(action => action.At).ThenByDescending(action => action.ActionId).ToListAsync(cancellationToken);
        using var body = JsonDocument.Parse(delivery.Payload);
        return TypedResults.Ok(new DeliveryDetails(DeliveryView.Of(delivery), body.RootElement.Clone(), attempts,
            actions.ConvertAll(ActionView.Of)));
    }

    /// <summary>
    /// Redrives a delivery: makes it due now, with all its attempts and its full time again. A delivered or discarded one reaches the
    /// platform once more, under the same id.
    /// </summary>
    internal static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> SendAgain(
        Guid deliveryId, OperatorReason body, Caller caller, DataPlatformDbContext database, Dispatcher dispatcher, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (OperatorRoutes.RefuseReason(body.Reason) is { } invalid)
            return invalid;
        var now = clock.GetUtcNow();
        var sent = await SendAgainAsync(database, new() { [deliveryId] = Guid.CreateVersion7(now) }, caller.UserId, body.Reason!, now,
            cancellationToken);
        if (sent.Count == 0)
            return await RefuseAsync(deliveryId, database, cancellationToken);
        dispatcher.Wake();
        return await GetDelivery(deliveryId, database, cancellationToken);
    }

    /// <summary>
    /// Discards a delivery: the relay never sends it, and later events of its reservation continue. Repeating it changes nothing.
    /// </summary>
    internal static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> Discard(
        Guid deliveryId, OperatorReason body, Caller caller, DataPlatformDbContext database, Dispatcher dispatcher, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (OperatorRoutes.RefuseReason(body.Reason) is { } invalid)
            return invalid;
        var now = clock.GetUtcNow();
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            var before = await StatusesAsync(database.Deliveries.Where(row => row.DeliveryId == deliveryId), cancellationToken);
            var changed = await database.Deliveries
                .Where(row => row.DeliveryId == deliveryId && (row.Status == DeliveryStatus.Pending || row.Status == DeliveryStatus.Dead)
                    && (row.LeaseId == null || row.LeasedUntil <= now))
                .ExecuteUpdateAsync(
                    set => set.SetProperty(row => row.Status, DeliveryStatus.Discarded).SetProperty(row => row.CompletedAt, now)
                        .SetProperty(row => row.LeaseId, (Guid?)null)
                        .SetProperty(row => row.LeasedUntil, (DateTimeOffset?)null),
                    cancellationToken);
            if (changed == 0)
                return await RefuseAsync(deliveryId, database, cancellationToken, DeliveryStatus.Discarded);
            database.Actions.Add(ActionOn(deliveryId, Guid.CreateVersion7(now), "Discard", before[deliveryId], DeliveryStatus.Discarded,
                caller.UserId, body.Reason!, now));
            await database.SaveChangesAsync(cancellationToken);
            await database.WakeAsync([deliveryId], now, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        dispatcher.Wake();
        return await GetDelivery(deliveryId, database, cancellationToken);
    }

    /// <summary>Redrives the deliveries that are not being sent.</summary>
    /// <param name="database">The database.</param>
    /// <param name="actionIds">The deliveries, with the id of the action on each.</param>
    /// <param name="operator">The user id of the operator.</param>
    /// <param name="reason">The operator's reason.</param>
    /// <param name="now">The instant of the action.</param>
    /// <param name="cancellationToken">Ends the transaction.</param>
    /// <returns>The redriven deliveries.</returns>
    internal static async Task<List<Guid>> SendAgainAsync(
        DataPlatformDbContext database, Dictionary<Guid, Guid> actionIds, string @operator, string reason, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var wanted = actionIds.Keys.ToList();
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var before = await StatusesAsync(database.Deliveries.Where(row => wanted.Contains(row.DeliveryId)), cancellationToken);
        // Identifies the changed rows until the end of the transaction.
        var mark = Guid.CreateVersion7(now);
        var marked = database.Deliveries.Where(row => wanted.Contains(row.DeliveryId) && row.LeaseId == mark);
        await database.Deliveries.Where(row => wanted.Contains(row.DeliveryId)
            && (row.LeaseId == null || row.LeasedUntil <= now))
            .ExecuteUpdateAsync(
                set => set.SetProperty(row => row.Status, DeliveryStatus.Pending)
                    .SetProperty(row => row.AttemptsBefore, row => row.Attempts)
                    .SetProperty(row => row.Since, now).SetProperty(row => row.NextAttemptAt, now)
                    .SetProperty(row => row.CompletedAt, (DateTimeOffset?)null)
                    .SetProperty(row => row.LeaseId, mark).SetProperty(row => row.LeasedUntil, (DateTimeOffset?)null),
                cancellationToken);
        var due = await marked.Select(row => row.DeliveryId).ToListAsync(cancellationToken);
        await marked.ExecuteUpdateAsync(set => set.SetProperty(row => row.LeaseId, (Guid?)null), cancellationToken);
        database.Actions.AddRange(due.Select(id =>
            ActionOn(id, actionIds[id], "SendAgain", before[id], DeliveryStatus.Pending, @operator, reason, now)));
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return due;
    }

    private static OperatorAction ActionOn(Guid deliveryId, Guid actionId, string action, DeliveryStatus before, DeliveryStatus after,
        string @operator, string reason, DateTimeOffset now) => new()
        {
            ActionId = actionId,
            At = now,
            Operator = @operator,
            Action = action,
            Target = TargetOf(deliveryId),
            Reason = reason,
            Before = OperatorAction.Describe(new { status = before }),
            After = OperatorAction.Describe(new { status = after })
        };

    private static Task<Dictionary<Guid, DeliveryStatus>> StatusesAsync(
        IQueryable<Delivery> deliveries, CancellationToken cancellationToken) =>
        deliveries.Select(row => new { row.DeliveryId, row.Status })
            .ToDictionaryAsync(row => row.DeliveryId, row => row.Status, cancellationToken);

    private static string TargetOf(Guid deliveryId) => $"deliveries/{deliveryId}";

    // Explains why nothing changed. A delivery that already has the wanted status is a success.
    private static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> RefuseAsync(
        Guid deliveryId, DataPlatformDbContext database, CancellationToken cancellationToken, DeliveryStatus? wanted = null)
    {
        var status = await database.Deliveries.Where(row => row.DeliveryId == deliveryId).Select(row => (DeliveryStatus?)row.Status)
            .SingleOrDefaultAsync(cancellationToken);
        if (status is not null && status == wanted)
            return await GetDelivery(deliveryId, database, cancellationToken);
        return status switch
        {
            null => NotFound(),
            DeliveryStatus.Delivered =>
                Problems.Refuse(StatusCodes.Status409Conflict, RefusalCodes.DeliveryDelivered,
                    "The platform has already accepted this delivery."),
            _ => Problems.Refuse(StatusCodes.Status409Conflict, RefusalCodes.DeliveryUnderWay,
                "The relay is sending this delivery. Retry when the attempt has ended.")
        };
    }

    private static ProblemHttpResult NotFound() => Refusals.DeliveryNotFound.Answer();
}
