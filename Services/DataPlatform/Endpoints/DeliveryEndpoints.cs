using System.Text.Json;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Endpoints;

internal static class DeliveryEndpoints
{
    private const int MostAtOnce = 1_000;

    public static void MapDeliveries(this IEndpointRouteBuilder routes)
    {
        var deliveries = routes.MapOperators("/ops/api/deliveries");
        deliveries.MapGet("", ListDeliveries).ProducesProblems(400);
        deliveries.MapGet("/{deliveryId:guid}", GetDelivery).ProducesProblems(404);
        deliveries.MapPost("/{deliveryId:guid}/send-again", SendAgain).ProducesProblems(400, 404, 409, 422);
        deliveries.MapPost("/{deliveryId:guid}/discard", Discard).ProducesProblems(400, 404, 409, 422);
        deliveries.MapPost("/send-again", SendManyAgain).ProducesProblems(400, 422);
    }

    /// <summary>Deliveries, newest first.</summary>
    internal static async Task<Ok<Page<DeliveryView>>> ListDeliveries(
        DeliveryStatus? status, string? eventType, Guid? reservationId, DateTimeOffset? from, DateTimeOffset? to, int? limit, string? cursor,
        DataPlatformDbContext database, CancellationToken cancellationToken)
    {
        var take = Paging.Limit(limit);
        var matching = Matching(database, status, eventType, reservationId, from, to);
        if (Paging.Cursor<DeliveryKey>(cursor) is var (createdAt, id))
            // The first part says where in the index to begin.
            matching = matching.Where(delivery => delivery.CreatedAt <= createdAt && (delivery.CreatedAt < createdAt || delivery.DeliveryId < id));
        var page = await matching.AsNoTracking().OrderByDescending(delivery => delivery.CreatedAt).ThenByDescending(delivery => delivery.DeliveryId).Take(take + 1)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(page.ConvertAll(DeliveryView.Of), take, delivery => new DeliveryKey(delivery.CreatedAt, delivery.DeliveryId)));
    }

    /// <summary>One delivery with what is sent, its last attempts, and what operators did to it.</summary>
    internal static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> GetDelivery(
        Guid deliveryId, DataPlatformDbContext database, CancellationToken cancellationToken)
    {
        var delivery = await database.Deliveries.AsNoTracking().SingleOrDefaultAsync(one => one.DeliveryId == deliveryId, cancellationToken);
        if (delivery is null)
            return NotFound();
        var attempts = await database.Attempts.AsNoTracking().Where(one => one.DeliveryId == deliveryId).OrderByDescending(one => one.Number)
            .Select(one => new AttemptView(one.Number, one.At, one.StatusCode, one.DurationMilliseconds, one.Error)).ToListAsync(cancellationToken);
        var actions = await database.Actions.AsNoTracking().Where(one => one.DeliveryId == deliveryId).OrderByDescending(one => one.At)
            .ToListAsync(cancellationToken);
        using var body = JsonDocument.Parse(delivery.Payload);
        return TypedResults.Ok(new DeliveryDetails(DeliveryView.Of(delivery), body.RootElement.Clone(), attempts, actions.ConvertAll(ActionView.Of)));
    }

    /// <summary>
    /// Makes a delivery due now, with all its attempts and time before it again: a dead one, one that waits for its next attempt, and also one that
    /// was discarded or delivered, which the platform then gets once more under the same id.
    /// </summary>
    internal static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> SendAgain(
        Guid deliveryId, OperatorReason body, Caller caller, DataPlatformDbContext database, Dispatcher dispatcher, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (Operators.Invalid(body.Reason) is { } invalid)
            return invalid;
        if (await SendAgainAsync(database, database.Deliveries.Where(one => one.DeliveryId == deliveryId), caller, body.Reason!, clock.GetUtcNow(), cancellationToken) == 0)
            return await RefuseAsync(deliveryId, database, cancellationToken);
        dispatcher.Wake();
        return await GetDelivery(deliveryId, database, cancellationToken);
    }

    /// <summary>Makes all deliveries due that fit a filter, or counts them. What is being sent at the moment is left out.</summary>
    internal static async Task<Results<Ok<SendAgainResult>, ProblemHttpResult>> SendManyAgain(
        SendAgainRequest body, Caller caller, DataPlatformDbContext database, Dispatcher dispatcher, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!body.DryRun && Operators.Invalid(body.Reason) is { } invalid)
            return invalid;
        var matching = Matching(database, body.Status ?? DeliveryStatus.Dead, body.EventType, body.ReservationId, body.From, body.To);
        var matched = await matching.CountAsync(cancellationToken);
        if (body.DryRun || matched == 0)
            return TypedResults.Ok(new SendAgainResult(matched, 0));
        var sent = await SendAgainAsync(
            database, matching.OrderBy(delivery => delivery.CreatedAt).ThenBy(delivery => delivery.DeliveryId).Take(MostAtOnce), caller, body.Reason!, clock.GetUtcNow(),
            cancellationToken);
        dispatcher.Wake();
        return TypedResults.Ok(new SendAgainResult(matched, sent));
    }

    /// <summary>Decides that a delivery is not to be sent, for a reason. What comes after it for the same reservation goes on. Again: the same.</summary>
    internal static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> Discard(
        Guid deliveryId, OperatorReason body, Caller caller, DataPlatformDbContext database, Dispatcher dispatcher, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (Operators.Invalid(body.Reason) is { } invalid)
            return invalid;
        var now = clock.GetUtcNow();
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            var changed = await database.Deliveries
                .Where(one => one.DeliveryId == deliveryId && (one.Status == DeliveryStatus.Pending || one.Status == DeliveryStatus.Dead)
                    && (one.LeaseId == null || one.LeasedUntil <= now))
                .ExecuteUpdateAsync(
                    set => set.SetProperty(one => one.Status, DeliveryStatus.Discarded).SetProperty(one => one.CompletedAt, now).SetProperty(one => one.LeaseId, (Guid?)null)
                        .SetProperty(one => one.LeasedUntil, (DateTimeOffset?)null),
                    cancellationToken);
            if (changed == 0)
                return await RefuseAsync(deliveryId, database, cancellationToken, DeliveryStatus.Discarded);
            await RecordAsync(database, [deliveryId], "Discard", caller, body.Reason!, now, cancellationToken);
            await database.WakeAsync([deliveryId], now, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        dispatcher.Wake();
        return await GetDelivery(deliveryId, database, cancellationToken);
    }

    private static async Task<int> SendAgainAsync(
        DataPlatformDbContext database, IQueryable<Delivery> deliveries, Caller caller, string reason, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var wanted = await deliveries.Select(one => one.DeliveryId).ToListAsync(cancellationToken);
        // Which of them it is that are changed is known by the instant only this transaction writes together with a new beginning.
        var changed = await database.Deliveries.Where(one => wanted.Contains(one.DeliveryId) && (one.LeaseId == null || one.LeasedUntil <= now))
            .ExecuteUpdateAsync(
                set => set.SetProperty(one => one.Status, DeliveryStatus.Pending).SetProperty(one => one.AttemptsBefore, one => one.Attempts)
                    .SetProperty(one => one.Since, now).SetProperty(one => one.NextAttemptAt, now).SetProperty(one => one.CompletedAt, (DateTimeOffset?)null)
                    .SetProperty(one => one.LeaseId, (Guid?)null).SetProperty(one => one.LeasedUntil, (DateTimeOffset?)null),
                cancellationToken);
        var due = changed == wanted.Count ? wanted
            : await database.Deliveries.Where(one => wanted.Contains(one.DeliveryId) && one.Since == now)
                .Select(one => one.DeliveryId).ToListAsync(cancellationToken);
        await RecordAsync(database, due, "SendAgain", caller, reason, now, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return changed;
    }

    private static async Task RecordAsync(
        DataPlatformDbContext database, List<Guid> deliveries, string kind, Caller caller, string reason, DateTimeOffset now, CancellationToken cancellationToken)
    {
        database.Actions.AddRange(deliveries.Select(id => new DeliveryAction
        {
            ActionId = Guid.CreateVersion7(now),
            DeliveryId = id,
            Kind = kind,
            At = now,
            By = caller.UserId,
            Reason = reason
        }));
        await database.SaveChangesAsync(cancellationToken);
    }

    private static IQueryable<Delivery> Matching(
        DataPlatformDbContext database, DeliveryStatus? status, string? eventType, Guid? reservationId, DateTimeOffset? from, DateTimeOffset? to)
    {
        var deliveries = database.Deliveries.AsQueryable();
        // Written out, because the index of the dead answers nothing else.
        if (status == DeliveryStatus.Dead)
            deliveries = deliveries.Where(delivery => delivery.Status == DeliveryStatus.Dead);
        else if (status is { } one)
            deliveries = deliveries.Where(delivery => delivery.Status == one);
        if (eventType is { Length: > 0 } type)
            deliveries = deliveries.Where(delivery => delivery.EventType == type);
        if (reservationId is { } reservation)
            deliveries = deliveries.Where(delivery => delivery.ReservationId == reservation);
        // PostgreSQL takes instants in UTC only.
        if (from?.ToUniversalTime() is { } first)
            deliveries = deliveries.Where(delivery => delivery.CreatedAt >= first);
        if (to?.ToUniversalTime() is { } end)
            deliveries = deliveries.Where(delivery => delivery.CreatedAt < end);
        return deliveries;
    }

    // Why nothing was changed; what is already as it was to become is the answer.
    private static async Task<Results<Ok<DeliveryDetails>, ProblemHttpResult>> RefuseAsync(
        Guid deliveryId, DataPlatformDbContext database, CancellationToken cancellationToken, DeliveryStatus? wanted = null)
    {
        var status = await database.Deliveries.Where(one => one.DeliveryId == deliveryId).Select(one => (DeliveryStatus?)one.Status).SingleOrDefaultAsync(cancellationToken);
        if (status is not null && status == wanted)
            return await GetDelivery(deliveryId, database, cancellationToken);
        return status switch
        {
            null => NotFound(),
            DeliveryStatus.Delivered => Problems.Refuse(StatusCodes.Status409Conflict, "DELIVERY_DELIVERED", "The platform has it already."),
            _ => Problems.Refuse(StatusCodes.Status409Conflict, "DELIVERY_UNDER_WAY", "It is being sent at this moment. Try again when that is over.")
        };
    }

    private static ProblemHttpResult NotFound() =>
        Problems.Refuse(StatusCodes.Status404NotFound, "DELIVERY_NOT_FOUND", "There is no such delivery.");
}
