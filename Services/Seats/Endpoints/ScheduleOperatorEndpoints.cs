using System.Text.Json.Serialization;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Consumers;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>A partial update of a schedule. An absent member keeps its value.</summary>
/// <param name="StartsAt">The new start of the performance.</param>
/// <param name="SaleOpensAt">The new start of the concert's sale, for all its schedules.</param>
/// <param name="SaleClosesAt">The new end of the concert's sale, for all its schedules.</param>
/// <param name="Reason">Why, for the record; 1 to 500 characters.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record SchedulePatch(
    Optional<IsoInstant?> StartsAt = default, Optional<IsoInstant?> SaleOpensAt = default, Optional<IsoInstant?> SaleClosesAt = default,
    string? Reason = null);

/// <summary>A schedule for operators.</summary>
/// <param name="ScheduleId">The schedule's id.</param>
/// <param name="ConcertId">Its concert.</param>
/// <param name="StartsAt">The start of the performance.</param>
/// <param name="SaleOpensAt">The start of the concert's sale.</param>
/// <param name="SaleClosesAt">The end of the concert's sale.</param>
/// <param name="CancelledAt">When it was cancelled; null if it is not.</param>
/// <param name="TotalSeats">The number of seats.</param>
/// <param name="AvailableSeats">The number of seats that are neither held nor sold.</param>
/// <param name="Version">The version of its seat map.</param>
public sealed record ScheduleDetails(
    int ScheduleId, int ConcertId, DateTimeOffset StartsAt, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt,
    DateTimeOffset? CancelledAt, int TotalSeats, int AvailableSeats, long Version);

/// <summary>Changes schedules for operators.</summary>
internal static class ScheduleOperatorEndpoints
{
    public static void MapScheduleOperators(this IEndpointRouteBuilder routes) =>
        routes.MapOperators("/ops/api/schedules").MapPatch("/{scheduleId:int}", ChangeSchedule)
            .Refuses(404, RefusalCodes.ScheduleNotFound).Refuses(409, RefusalCodes.ScheduleCancelled)
            .Refuses(422, RefusalCodes.InvalidReason, RefusalCodes.InvalidSchedule);

    /// <summary>
    /// Moves a schedule, and the sale of its concert. Lists and seat maps show the new start at once, and it decides until when each
    /// reservation can be cancelled. The waiting room follows the new times of the sale.
    /// </summary>
    internal static async Task<Results<Ok<ScheduleDetails>, ProblemHttpResult>> ChangeSchedule(
        int scheduleId, SchedulePatch patch, Caller caller, SeatsDbContext database, SeatMapAnnouncer announcer, IBus bus,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        if ((OperatorRoutes.RefuseReason(patch.Reason) ?? Invalid(patch, now)) is { } invalid)
            return invalid;
        ScheduleDetails before, after;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            if (!await database.ChangeScheduleAsync(scheduleId, cancellationToken))
                return ScheduleEndpoints.NotFound();
            var concertId = (await ReadAsync(database, scheduleId, cancellationToken)).ConcertId;
            var sale = database.Concerts.Where(concert => concert.ConcertId == concertId);
            // Locks the concert, whose sale another operator could be changing through another schedule.
            await sale.ExecuteUpdateAsync(set => set.SetProperty(concert => concert.Title, concert => concert.Title), cancellationToken);
            before = await ReadAsync(database, scheduleId, cancellationToken);
            if (before.CancelledAt is not null)
                return Refusals.ScheduleCancelled.Answer();
            after = before with
            {
                StartsAt = patch.StartsAt.Value?.Value ?? before.StartsAt,
                SaleOpensAt = patch.SaleOpensAt.Value?.Value ?? before.SaleOpensAt,
                SaleClosesAt = patch.SaleClosesAt.Value?.Value ?? before.SaleClosesAt
            };
            if (after.SaleOpensAt >= after.SaleClosesAt)
                return Problems.Invalid(RefusalCodes.InvalidSchedule, patch.SaleClosesAt.IsSet ? "saleClosesAt" : "saleOpensAt",
                    "The sale must open before it closes.");
            await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId).ExecuteUpdateAsync(
                set => set.SetProperty(schedule => schedule.StartsAt, after.StartsAt), cancellationToken);
            await sale.ExecuteUpdateAsync(set => set.SetProperty(concert => concert.SaleOpensAt, after.SaleOpensAt)
                .SetProperty(concert => concert.SaleClosesAt, after.SaleClosesAt), cancellationToken);
            Record(database, Guid.CreateVersion7(now), now, caller.UserId, "Change", patch.Reason!, before, after);
            await database.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        await announcer.PublishAsync(bus, new SeatsChanged(scheduleId, after.Version, []));
        await announcer.PublishAsync(bus, new ConcertPublished(after.ConcertId, after.SaleOpensAt, after.SaleClosesAt));
        return TypedResults.Ok(after);
    }

    /// <summary>Permanently ends the sale of a schedule. A copy of the request changes nothing.</summary>
    internal static async Task<Results<Ok<CancelledSchedule>, ProblemHttpResult>> CancelSchedule(
        int scheduleId, CancelSchedule body, SeatsDbContext database, SeatMapAnnouncer announcer, IBus bus, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        ScheduleDetails after;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            // From here on, holds wait for the commit and then find the cancellation.
            if (!await database.ChangeScheduleAsync(scheduleId, cancellationToken))
                return ScheduleEndpoints.NotFound();
            var before = await ReadAsync(database, scheduleId, cancellationToken);
            if (await database.OperatorActions.AnyAsync(action => action.ActionId == body.ActionId, cancellationToken))
                return TypedResults.Ok(new CancelledSchedule(before.CancelledAt!.Value));
            after = before with { CancelledAt = before.CancelledAt ?? now };
            await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId).ExecuteUpdateAsync(
                set => set.SetProperty(schedule => schedule.CancelledAt, after.CancelledAt), cancellationToken);
            Record(database, body.ActionId, now, body.Operator, "Cancel", body.Reason, before, after);
            await database.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        await announcer.PublishAsync(bus, new SeatsChanged(scheduleId, after.Version, []));
        return TypedResults.Ok(new CancelledSchedule(after.CancelledAt!.Value));
    }

    private static ProblemHttpResult? Invalid(SchedulePatch patch, DateTimeOffset now)
    {
        (string Name, Optional<IsoInstant?> Member)[] members =
            [("startsAt", patch.StartsAt), ("saleOpensAt", patch.SaleOpensAt), ("saleClosesAt", patch.SaleClosesAt)];
        foreach (var (name, member) in members)
        {
            if (member is { IsSet: true, Value: null })
                return Problems.Invalid(RefusalCodes.InvalidSchedule, name, $"{name} cannot be null. Leave it out to keep its value.");
        }
        // A typing mistake here would end the sale, and the right to cancel.
        return patch.StartsAt.Value is { } start && start.Value <= now
            ? Problems.Invalid(RefusalCodes.InvalidSchedule, "startsAt", "The new start must be in the future.") : null;
    }

    private static Task<ScheduleDetails> ReadAsync(SeatsDbContext database, int scheduleId, CancellationToken cancellationToken) =>
        database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId)
            .Select(schedule => new ScheduleDetails(
                schedule.ScheduleId, schedule.ConcertId, schedule.StartsAt, schedule.Concert!.SaleOpensAt, schedule.Concert.SaleClosesAt,
                schedule.CancelledAt, schedule.TotalSeats, schedule.AvailableSeats, schedule.Version))
            .SingleAsync(cancellationToken);

    private static void Record(
        SeatsDbContext database, Guid actionId, DateTimeOffset now, string userId, string action, string reason, ScheduleDetails before,
        ScheduleDetails after) =>
        database.Add(new OperatorAction
        {
            ActionId = actionId,
            At = now,
            Operator = userId,
            Action = action,
            Target = $"schedules/{after.ScheduleId}",
            Reason = reason,
            Before = Describe(before),
            After = Describe(after)
        });

    private static string Describe(ScheduleDetails schedule) => OperatorAction.Describe(new
    {
        schedule.StartsAt,
        schedule.SaleOpensAt,
        schedule.SaleClosesAt,
        schedule.CancelledAt
    });
}
