using System.ComponentModel.DataAnnotations;
using System.Reflection;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Endpoints;

/// <summary>What a concert has of its own; null where the configured value holds.</summary>
/// <param name="Capacity">How many people can have a pass at the same time.</param>
/// <param name="BatchSize">How many are let in at once at most.</param>
/// <param name="Interval">How often.</param>
/// <param name="ClaimWindow">How long an offered pass waits to be fetched.</param>
/// <param name="PassLifetime">How long a pass opens every route; passes that were given keep theirs.</param>
/// <param name="Paused">Whether the inlet is stopped.</param>
public sealed record RoomChange(
    int? Capacity, int? BatchSize, TimeSpan? Interval, TimeSpan? ClaimWindow, TimeSpan? PassLifetime, bool Paused = false);

/// <summary>A waiting room as its operator sees it.</summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Admission">Whether people are let in, and why not.</param>
/// <param name="SaleOpensAt">Before this instant nobody is let in.</param>
/// <param name="SaleClosesAt">From this instant on nobody is let in, and no place is given.</param>
/// <param name="Issued">Places given so far.</param>
/// <param name="Serving">The highest place that was offered a pass.</param>
/// <param name="Waiting">People in line.</param>
/// <param name="Offered">People who were offered a pass and have not fetched it.</param>
/// <param name="Active">People with a pass.</param>
/// <param name="SlotsTaken">Slots that are not free yet; those of ended passes stay taken for a few seconds.</param>
/// <param name="Rate">People let in per second.</param>
/// <param name="Settings">What the concert has of its own.</param>
/// <param name="Effective">What holds.</param>
public sealed record RoomView(
    int ConcertId, QueueAdmission Admission, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt, long Issued, long Serving, long Waiting,
    long Offered, long Active, long SlotsTaken, double Rate, RoomChange Settings, RoomChange Effective);

internal static class OperatorEndpoints
{
    private const string Role = "ops";

    public static void MapRooms(this IEndpointRouteBuilder routes)
    {
        var rooms = routes.MapGroup("/ops/api/queue/concerts").WithTags("Operators").ProducesProblem(StatusCodes.Status403Forbidden);
        rooms.AddEndpointFilter(RequireRole);
        rooms.MapGet("", ListRooms).ProducesProblems(400);
        rooms.MapGet("/{concertId:int}", GetRoom).ProducesProblems(404);
        rooms.MapPut("/{concertId:int}", ChangeRoom).ProducesProblems(400, 404, 422);
    }

    /// <summary>All waiting rooms, by concert.</summary>
    internal static async Task<Ok<Page<RoomView>>> ListRooms(
        int? limit, string? cursor, QueueDbContext database, Rooms rooms, TimeProvider clock, CancellationToken cancellationToken)
    {
        var take = Paging.Limit(limit);
        var after = Paging.Cursor<int>(cursor) ?? int.MinValue;
        var page = await database.Counters.AsNoTracking().Where(room => room.ConcertId > after).OrderBy(room => room.ConcertId).Take(take + 1)
            .ToListAsync(cancellationToken);
        var cut = Paging.Cut(page, take, room => room.ConcertId);
        return TypedResults.Ok(new Page<RoomView>(await DescribeAsync(cut.Items, database, rooms, clock, cancellationToken), cut.NextCursor));
    }

    /// <summary>One waiting room.</summary>
    internal static async Task<Results<Ok<RoomView>, ProblemHttpResult>> GetRoom(
        int concertId, QueueDbContext database, Rooms rooms, TimeProvider clock, CancellationToken cancellationToken)
    {
        var room = await database.Counters.AsNoTracking().SingleOrDefaultAsync(row => row.ConcertId == concertId, cancellationToken);
        return room is null ? NotFound() : TypedResults.Ok((await DescribeAsync([room], database, rooms, clock, cancellationToken))[0]);
    }

    /// <summary>
    /// Sets what a concert has of its own, all of it, and pauses or resumes it; holds from the next admission on. With a smaller capacity
    /// nobody is let in until enough have gone; nobody is sent away.
    /// </summary>
    internal static async Task<Results<Ok<RoomView>, ProblemHttpResult>> ChangeRoom(
        int concertId, RoomChange change, QueueDbContext database, Rooms rooms, Announcements announcements, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (Invalid(change) is { } invalid)
            return invalid;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            if (await database.LockAsync(concertId, cancellationToken) is not { } room)
                return NotFound();
            var now = clock.GetUtcNow();
            if (room.Paused && !change.Paused)
                room.NextTickAt = now;
            (room.Capacity, room.BatchSize, room.Interval) = (change.Capacity, change.BatchSize, change.Interval);
            (room.ClaimWindow, room.PassLifetime, room.Paused) = (change.ClaimWindow, change.PassLifetime, change.Paused);
            // A shorter interval is not to begin with the rest of a long one.
            if (room.NextTickAt > now + rooms.SettingsOf(room).Interval)
                room.NextTickAt = now + rooms.SettingsOf(room).Interval;
            room.Advance(now);
            await database.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            announcements.Announce(rooms.Describe(room, now));
        }
        return await GetRoom(concertId, database, rooms, clock, cancellationToken);
    }

    private static async Task<List<RoomView>> DescribeAsync(
        IReadOnlyList<QueueCounter> page, QueueDbContext database, Rooms rooms, TimeProvider clock, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var ids = page.Select(room => room.ConcertId).ToList();
        var live = await database.Tokens.Where(token => ids.Contains(token.ConcertId)).Live()
            .GroupBy(token => new { token.ConcertId, token.Status }).Select(group => new { group.Key.ConcertId, group.Key.Status, Count = group.Count() })
            .ToListAsync(cancellationToken);
        var taken = await database.Tokens.Where(token => ids.Contains(token.ConcertId) && token.SlotUntil > now)
            .GroupBy(token => token.ConcertId).Select(group => new { ConcertId = group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.ConcertId, group => group.Count, cancellationToken);
        return [.. page.Select(room =>
        {
            var (seen, holds) = (rooms.Describe(room, now), rooms.SettingsOf(room));
            return new RoomView(
                room.ConcertId, seen.Admission, room.SaleOpensAt, room.SaleClosesAt, seen.Issued, room.Serving, Count(QueueTokenStatus.Waiting),
                Count(QueueTokenStatus.Offered), Count(QueueTokenStatus.Active), taken.GetValueOrDefault(room.ConcertId), seen.Rate,
                new RoomChange(room.Capacity, room.BatchSize, room.Interval, room.ClaimWindow, room.PassLifetime, room.Paused),
                new RoomChange(holds.Capacity, holds.BatchSize, holds.Interval, holds.ClaimWindow, holds.PassLifetime, room.Paused));

            long Count(QueueTokenStatus status) => live.Find(group => group.ConcertId == room.ConcertId && group.Status == status)?.Count ?? 0;
        })];
    }

    // By the rules of the configured values.
    private static ProblemHttpResult? Invalid(RoomChange change)
    {
        foreach (var property in typeof(RoomChange).GetProperties())
        {
            if (property.GetValue(change) is { } value
                && typeof(QueueOptions).GetProperty(property.Name)?.GetCustomAttribute<RangeAttribute>() is { } range && !range.IsValid(value))
                return Problems.Invalid("INVALID_SETTINGS", char.ToLowerInvariant(property.Name[0]) + property.Name[1..], $"Allowed: {range.Minimum} to {range.Maximum}.");
        }
        return null;
    }

    private static ValueTask<object?> RequireRole(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        context.HttpContext.Request.Headers[Caller.UserRolesHeader].ToString().Split(',').Contains(Role)
            ? next(context)
            : ValueTask.FromResult<object?>(Problems.Refuse(StatusCodes.Status403Forbidden, "FORBIDDEN", "This is for operators."));

    private static ProblemHttpResult NotFound() =>
        Problems.Refuse(StatusCodes.Status404NotFound, "CONCERT_NOT_FOUND", "There is no such concert.");
}
