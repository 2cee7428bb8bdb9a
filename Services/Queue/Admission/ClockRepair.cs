using ConcertSaga.Contracts;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Admission;

/// <summary>
/// Repairs instants that a clock wrote while it was ahead. Otherwise a clock that is an hour ahead for one second would stop admission and
/// keep slots taken for an hour.
/// </summary>
internal sealed partial class ClockRepair(
    IServiceScopeFactory scopes, RoomDescriber rooms, GatewayAnnouncer announcer, TimeProvider clock, ILogger<ClockRepair> logger)
    : PeriodicTask("Checking the instants of waiting rooms", TimeSpan.FromSeconds(1), clock, logger)
{
    // Bounds ClaimUntil of entries from older versions, which have no OfferedAt.
    private static readonly TimeSpan MaxClaimWindow = TimeSpan.FromHours(1);

    private readonly TimeProvider _clock = clock;
    private readonly ILogger _logger = logger;

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        foreach (var concertId in await FindAsync(cancellationToken))
        {
            await using var scope = scopes.CreateAsyncScope();
            await RepairAsync(scope.ServiceProvider.GetRequiredService<QueueDbContext>(), concertId, cancellationToken);
        }
    }

    // Two indexed queries without a lock, because hardly ever anything is wrong.
    private async Task<List<int>> FindAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        var now = _clock.GetUtcNow();
        var latest = now + ClockSkew.Tolerance;
        var ahead = await database.Rooms.AsNoTracking()
            .Where(room => room.NextTickAt > latest || room.RatedAt > latest || room.ChangedAt > latest).ToListAsync(cancellationToken);
        var blocked = await AheadOf(database.Entries, now).Select(entry => entry.ConcertId).Distinct().ToListAsync(cancellationToken);
        return [.. ahead.FindAll(room => IsAhead(room, now)).Select(room => room.ConcertId).Union(blocked).Order()];
    }

    private async Task RepairAsync(QueueDbContext database, int concertId, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        if (await database.LockAsync(concertId, cancellationToken) is not { } room)
            return;
        var now = _clock.GetUtcNow();
        var settings = rooms.SettingsOf(room);
        var next = room.NextTickAt;
        var isAhead = IsAhead(room, now);
        if (isAhead)
        {
            room.NextTickAt = next > now + settings.Interval ? now : next;
            room.RatedAt = room.RatedAt > now ? now : room.RatedAt;
        }
        var slots = await FreeSlotsAsync(database, concertId, settings, now, cancellationToken);
        if (!isAhead && slots == 0)
            return;
        // A new sequence makes gateways replace the instants that the wrong clock announced.
        room.Advance(now);
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        announcer.Announce(rooms.Describe(room, now));
        LogRepaired(_logger, concertId, next, slots);
    }

    private static async Task<int> FreeSlotsAsync(
        QueueDbContext database, int concertId, RoomSettings settings, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var ahead = AheadOf(database.Entries.Where(entry => entry.ConcertId == concertId), now);
        var claimUntil = now + settings.ClaimWindow;
        var freeAt = now + ClockSkew.Tolerance;
        var bookUntil = DateTimeOffset.FromUnixTimeSeconds((now + settings.PassLifetime).ToUnixTimeSeconds());
        // Exp stays, because the customer's token may carry the old one, and gateways must remember a revocation that long.
        return await ahead.Where(entry => entry.Status == QueueEntryStatus.Offered).ExecuteUpdateAsync(
                set => set.SetProperty(entry => entry.OfferedAt, now).SetProperty(entry => entry.ClaimUntil, claimUntil)
                    .SetProperty(entry => entry.SlotUntil, claimUntil + ClockSkew.Tolerance), cancellationToken)
            + await ahead.Where(entry => entry.Status == QueueEntryStatus.Active).ExecuteUpdateAsync(
                set => set.SetProperty(entry => entry.OfferedAt, now).SetProperty(entry => entry.ClaimedAt, now)
                    .SetProperty(entry => entry.BookUntil, bookUntil)
                        .SetProperty(entry => entry.SlotUntil, bookUntil + ClockSkew.Tolerance), cancellationToken)
            + await ahead.ExecuteUpdateAsync(set => set.SetProperty(entry => entry.SlotUntil, freeAt), cancellationToken);
    }

    private bool IsAhead(WaitingRoom room, DateTimeOffset now) =>
        room.NextTickAt > now + rooms.SettingsOf(room).Interval + ClockSkew.Tolerance
        || room.RatedAt > now + ClockSkew.Tolerance || room.ChangedAt > now + ClockSkew.Tolerance;

    /// <summary>Filters entries whose slot a clock that was ahead has taken.</summary>
    private static IQueryable<QueueEntry> AheadOf(IQueryable<QueueEntry> entries, DateTimeOffset now)
    {
        var latest = now + ClockSkew.Tolerance;
        var latestEnded = now + (2 * ClockSkew.Tolerance);
        var latestOffered = now + MaxClaimWindow + ClockSkew.Tolerance;
        return entries.Where(entry => entry.SlotUntil > now
            && ((entry.Status == QueueEntryStatus.Offered
                && (entry.OfferedAt > latest || (entry.OfferedAt == null && entry.ClaimUntil > latestOffered)))
                || (entry.Status == QueueEntryStatus.Active && entry.ClaimedAt > latest)
                || ((entry.Status == QueueEntryStatus.Left || entry.Status == QueueEntryStatus.Expired) && entry.SlotUntil > latestEnded)));
    }

    [LoggerMessage(5010, LogLevel.Warning,
        "Concert {ConcertId}: repaired instants from a clock that was ahead. The next admission was due at {NextTickAt:O}, and {Slots} "
            + "slots were taken too long.")]
    private static partial void LogRepaired(ILogger logger, int concertId, DateTimeOffset nextTickAt, int slots);
}
