using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Admission;

/// <summary>The settings of one waiting room. Null stands for the configured value.</summary>
/// <param name="Capacity">How many customers can have an offer or a pass at the same time.</param>
/// <param name="BatchSize">The maximum number of customers admitted at once.</param>
/// <param name="Interval">How often customers are admitted.</param>
/// <param name="ClaimWindow">How long a customer can claim an offer.</param>
/// <param name="PassLifetime">How long a pass opens every route. Existing passes keep their time.</param>
/// <param name="Paused">Whether admission is paused.</param>
public sealed record RoomChange(
    int? Capacity = null, int? BatchSize = null, TimeSpan? Interval = null, TimeSpan? ClaimWindow = null, TimeSpan? PassLifetime = null,
    bool Paused = false);

/// <summary>A partial update of a waiting room. An absent member keeps its value; null restores the configured value.</summary>
/// <param name="Capacity">How many customers can have an offer or a pass at the same time.</param>
/// <param name="BatchSize">The maximum number of customers admitted at once.</param>
/// <param name="Interval">How often customers are admitted.</param>
/// <param name="ClaimWindow">How long a customer can claim an offer.</param>
/// <param name="PassLifetime">How long a pass opens every route. Existing passes keep their time.</param>
/// <param name="Paused">Whether admission is paused; null stands for false.</param>
/// <param name="Reason">Why, for the record; 1 to 500 characters.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record RoomPatch(
    Optional<int?> Capacity = default, Optional<int?> BatchSize = default, Optional<TimeSpan?> Interval = default,
    Optional<TimeSpan?> ClaimWindow = default, Optional<TimeSpan?> PassLifetime = default, Optional<bool?> Paused = default,
    string? Reason = null);

/// <summary>The state of a waiting room for operators.</summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Admission">Whether customers are admitted.</param>
/// <param name="Reason">Why no customer is admitted; null while customers are admitted.</param>
/// <param name="SaleOpensAt">The beginning of the sale. Before it, no customer is admitted.</param>
/// <param name="SaleClosesAt">The end of the sale. After it, no customer is admitted and no entry is issued.</param>
/// <param name="Issued">The number of entries issued so far.</param>
/// <param name="Serving">The highest queue number that was offered a pass.</param>
/// <param name="Waiting">The number of customers in line.</param>
/// <param name="Offered">The number of offers that are not claimed yet.</param>
/// <param name="Active">The number of customers with a pass.</param>
/// <param name="SlotsTaken">The number of slots taken. The slot of an ended pass stays taken for a few seconds.</param>
/// <param name="Rate">Customers admitted per second.</param>
/// <param name="Settings">The settings of this room.</param>
/// <param name="Effective">The effective settings, including configured values.</param>
/// <param name="Minutes">The last hour by minute, ascending; null in a list.</param>
public sealed record RoomView(
    int ConcertId, QueueAdmission Admission, string? Reason, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt, long Issued,
    long Serving, long Waiting, long Offered, long Active, long SlotsTaken, double Rate, RoomChange Settings, RoomChange Effective,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<RoomMinute>? Minutes = null);

/// <summary>What happened in a waiting room from one minute to the next.</summary>
/// <param name="At">The beginning of the minute.</param>
/// <param name="Entered">How many customers entered.</param>
/// <param name="Admitted">By how much the number being served grew.</param>
/// <param name="InLine">The entries behind the number being served at the beginning, including those that have left.</param>
/// <param name="SlotsTaken">The number of slots taken at the beginning.</param>
public sealed record RoomMinute(DateTimeOffset At, long Entered, long Admitted, long InLine, int SlotsTaken);

internal static partial class OperatorEndpoints
{
    public static void MapRooms(this IEndpointRouteBuilder routes)
    {
        var rooms = routes.MapOperators("/ops/api/waiting-rooms");
        rooms.MapGet("", ListRooms).ProducesProblems(400);
        rooms.MapGet("/{concertId:int}", GetRoom).ProducesProblems(404);
        rooms.MapPatch("/{concertId:int}", ChangeRoom).ProducesProblems(400, 404, 422);
    }

    /// <summary>Lists all waiting rooms, ordered by concert.</summary>
    internal static async Task<Ok<Page<RoomView>>> ListRooms(
        [Range(1, Paging.MaxOperatorLimit)] int? limit, string? cursor, QueueDbContext database, RoomDescriber rooms, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var after = Paging.Cursor<int>(cursor) ?? int.MinValue;
        var page = await database.Rooms.AsNoTracking().Where(room => room.ConcertId > after).OrderBy(room => room.ConcertId)
            .Take(take + 1)
            .ToListAsync(cancellationToken);
        var cut = Paging.Cut(page, take, room => room.ConcertId);
        return TypedResults.Ok(new Page<RoomView>(await DescribeAsync(cut.Items, database, rooms, clock, cancellationToken),
            cut.NextCursor));
    }

    /// <summary>Returns one waiting room, with its last hour by minute.</summary>
    internal static async Task<Results<Ok<RoomView>, ProblemHttpResult>> GetRoom(
        int concertId, QueueDbContext database, RoomDescriber rooms, TimeProvider clock, CancellationToken cancellationToken)
    {
        var room = await database.Rooms.AsNoTracking().SingleOrDefaultAsync(row => row.ConcertId == concertId, cancellationToken);
        if (room is null)
            return NotFound();
        var view = (await DescribeAsync([room], database, rooms, clock, cancellationToken))[0];
        return TypedResults.Ok(view with { Minutes = await ReadMinutesAsync(room, database, cancellationToken) });
    }

    private static async Task<List<RoomMinute>> ReadMinutesAsync(
        WaitingRoom room, QueueDbContext database, CancellationToken cancellationToken)
    {
        var samples = await database.Samples.AsNoTracking().Where(sample => sample.ConcertId == room.ConcertId)
            .OrderBy(sample => sample.At).ToListAsync(cancellationToken);
        // The current minute ends now.
        var ends = samples.Skip(1).Select(sample => (sample.Issued, sample.Serving)).Append((room.NextNumber - 1, room.Serving));
        return [.. samples.Zip(ends, (sample, end) => new RoomMinute(sample.At, Math.Max(0, end.Item1 - sample.Issued),
            Math.Max(0, end.Item2 - sample.Serving), sample.Issued - sample.Serving, sample.SlotsTaken))];
    }

    /// <summary>
    /// Changes the members that the request names, and pauses or resumes admission. A change applies from the next admission. After the
    /// capacity is lowered, existing passes stay valid and admission waits for free slots.
    /// </summary>
    internal static async Task<Results<Ok<RoomView>, ProblemHttpResult>> ChangeRoom(
        int concertId, RoomPatch patch, Caller caller, QueueDbContext database, RoomDescriber rooms, GatewayAnnouncer announcer,
        IOptions<QueueOptions> options, TimeProvider clock, ILogger<WaitingRoom> logger, CancellationToken cancellationToken)
    {
        if ((OperatorRoutes.RefuseReason(patch.Reason) ?? Invalid(patch)) is { } invalid)
            return invalid;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            if (await database.LockAsync(concertId, cancellationToken) is not { } room)
                return NotFound();
            var now = clock.GetUtcNow();
            var (wasPaused, before) = (room.Paused, SettingsOf(room));
            room.Capacity = patch.Capacity.Or(room.Capacity);
            room.BatchSize = patch.BatchSize.Or(room.BatchSize);
            room.Interval = patch.Interval.Or(room.Interval);
            room.ClaimWindow = patch.ClaimWindow.Or(room.ClaimWindow);
            room.PassLifetime = patch.PassLifetime.Or(room.PassLifetime);
            room.Paused = patch.Paused.Or(room.Paused) ?? false;
            if (RoomRules.ContradictionOf(rooms.SettingsOf(room), options.Value) is var (member, problem))
                return Problems.Invalid(RefusalCodes.InvalidSettings, NameOf(member), $"{NameOf(member)} {problem}.");
            // A shorter interval applies at once, instead of after the rest of the old one.
            var latest = wasPaused && !room.Paused ? now : now + rooms.SettingsOf(room).Interval;
            if (room.NextTickAt > latest)
                room.NextTickAt = latest;
            room.Advance(now);
            database.Add(new OperatorAction
            {
                ActionId = Guid.CreateVersion7(now),
                At = now,
                Operator = caller.UserId,
                Action = "Change",
                Target = $"waiting-rooms/{concertId}",
                Reason = patch.Reason!,
                Before = OperatorAction.Describe(before),
                After = OperatorAction.Describe(SettingsOf(room))
            });
            await database.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            announcer.Announce(rooms.Describe(room, now));
            if (wasPaused != room.Paused)
                LogPaused(logger, concertId, room.Paused ? "paused" : "resumed", caller.UserId);
        }
        return await GetRoom(concertId, database, rooms, clock, cancellationToken);
    }

    /// <summary>Describes rooms with the numbers of their entries.</summary>
    internal static async Task<List<RoomView>> DescribeAsync(
        IReadOnlyList<WaitingRoom> page, QueueDbContext database, RoomDescriber rooms, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var ids = page.Select(room => room.ConcertId).ToList();
        var live = await database.Entries.Where(entry => ids.Contains(entry.ConcertId)).Live()
            .GroupBy(entry => new { entry.ConcertId, entry.Status })
            .Select(group => new { group.Key.ConcertId, group.Key.Status, Count = group.Count() })
            .ToListAsync(cancellationToken);
        var slots = await database.Entries.Where(entry => ids.Contains(entry.ConcertId) && entry.SlotUntil > now)
            .GroupBy(entry => entry.ConcertId).Select(group => new { ConcertId = group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.ConcertId, group => group.Count, cancellationToken);
        return [.. page.Select(room =>
        {
            var state = rooms.Describe(room, now);
            var effective = rooms.SettingsOf(room);
            return new RoomView(
                room.ConcertId, state.Admission, rooms.ReasonOf(room, now), room.SaleOpensAt, room.SaleClosesAt, state.Issued,
                room.Serving, Count(QueueEntryStatus.Waiting), Count(QueueEntryStatus.Offered), Count(QueueEntryStatus.Active),
                slots.GetValueOrDefault(room.ConcertId), state.Rate,
                SettingsOf(room),
                new RoomChange(
                    effective.Capacity, effective.BatchSize, effective.Interval, effective.ClaimWindow, effective.PassLifetime,
                    room.Paused));

            long Count(QueueEntryStatus status) => live.Find(group => group.ConcertId == room.ConcertId && group.Status == status)?.Count
                ?? 0;
        })];
    }

    // Applies the ranges of the configured values.
    private static ProblemHttpResult? Invalid(RoomPatch patch)
    {
        (string Name, object? Value)[] members =
        [
            (nameof(patch.Capacity), patch.Capacity.Value), (nameof(patch.BatchSize), patch.BatchSize.Value),
            (nameof(patch.Interval), patch.Interval.Value), (nameof(patch.ClaimWindow), patch.ClaimWindow.Value),
            (nameof(patch.PassLifetime), patch.PassLifetime.Value)
        ];
        foreach (var (name, value) in members)
        {
            if (value is not null && typeof(QueueOptions).GetProperty(name)!.GetCustomAttribute<RangeAttribute>() is { } range
                && !range.IsValid(value))
                return Problems.Invalid(RefusalCodes.InvalidSettings, NameOf(name),
                    $"{NameOf(name)} is out of range; allowed: {range.Minimum} to {range.Maximum}.");
        }
        return null;
    }

    private static RoomChange SettingsOf(WaitingRoom room) =>
        new(room.Capacity, room.BatchSize, room.Interval, room.ClaimWindow, room.PassLifetime, room.Paused);

    private static string NameOf(string member) => char.ToLowerInvariant(member[0]) + member[1..];

    private static ProblemHttpResult NotFound() => Refusals.ConcertNotFound.Answer();

    [LoggerMessage(5011, LogLevel.Information, "Concert {ConcertId}: operator {OperatorId} {Change} the waiting room.")]
    private static partial void LogPaused(ILogger logger, int concertId, string change, string operatorId);
}
