using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tokens;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace ConcertSaga.Queue.Line;

/// <summary>An entry with its room.</summary>
internal sealed record EntryInRoom(QueueEntry Entry, WaitingRoom Room);

/// <summary>Updates one queue entry: its customer claims the offer, leaves, or completes a purchase.</summary>
internal sealed class EntryUpdater(
    QueueDbContext database, RoomDescriber rooms, PaymentTime payment, GatewayAnnouncer announcer, QueueMetrics metrics, TimeProvider clock)
{
    /// <summary>
    /// Claims the offer if it is still open. One conditional update decides between concurrent calls, and between a call and the admission
    /// loop.
    /// </summary>
    /// <returns>The current entry; null if the caller has no entry with this id.</returns>
    public async Task<EntryInRoom?> ClaimAsync(Guid tokenId, int concertId, string userId, CancellationToken cancellationToken)
    {
        var room = await database.Rooms.AsNoTracking().SingleOrDefaultAsync(row => row.ConcertId == concertId, cancellationToken);
        if (room is null)
            return null;
        var query = EntryOf(tokenId, concertId, userId);
        var entry = await query.SingleOrDefaultAsync(cancellationToken);
        if (entry?.Status == QueueEntryStatus.Offered)
        {
            var now = clock.GetUtcNow();
            // The pass carries whole seconds.
            var bookUntil = DateTimeOffset.FromUnixTimeSeconds((now + rooms.SettingsOf(room).PassLifetime).ToUnixTimeSeconds());
            await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
            var claimed = await query.Where(row => row.Status == QueueEntryStatus.Offered && row.ClaimUntil > now).ExecuteUpdateAsync(
                set => set
                    .SetProperty(row => row.Status, QueueEntryStatus.Active)
                    .SetProperty(row => row.ClaimedAt, now)
                    .SetProperty(row => row.BookUntil, bookUntil)
                    .SetProperty(row => row.SlotUntil, bookUntil + ClockSkew.Tolerance)
                    .SetProperty(row => row.Exp, payment.ExpOf(bookUntil)),
                cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            metrics.Claimed.Add(claimed, QueueMetrics.Of(concertId));
            entry = await query.SingleAsync(cancellationToken);
        }
        return entry is null ? null : new EntryInRoom(entry, room);
    }

    /// <summary>Ends the entry for a customer who leaves. The customer can enter again, at the end of the line.</summary>
    /// <returns>The current entry; null if the caller has no entry with this id.</returns>
    public async Task<QueueEntry?> LeaveAsync(Guid tokenId, int concertId, string userId, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        if (await database.LockAsync(concertId, cancellationToken) is not { } room)
            return null;
        var now = clock.GetUtcNow();
        // A gateway that is cut off may accept the pass for this long.
        var slotUntil = now + ClockSkew.Tolerance;
        var query = EntryOf(tokenId, concertId, userId);
        var before = await query.SingleOrDefaultAsync(cancellationToken);
        var left = before is null ? 0 : await query.Live().ExecuteUpdateAsync(
            set => set
                .SetProperty(entry => entry.Status, QueueEntryStatus.Left)
                .SetProperty(entry => entry.RevokedSequence, room.Sequence + 1)
                .SetProperty(entry => entry.SlotUntil, entry => entry.SlotUntil > slotUntil ? slotUntil : entry.SlotUntil),
            cancellationToken);
        var entry = await query.SingleOrDefaultAsync(cancellationToken);
        if (left > 0)
        {
            AddGap(room, before!);
            await RevokeAsync(room, entry!, transaction, now, cancellationToken);
            metrics.Left.Add(1, QueueMetrics.Of(concertId));
        }
        return entry;
    }

    /// <summary>Ends the pass after its reservation was paid, and frees the slot. Repeated calls change nothing.</summary>
    /// <returns>Whether the pass was not ended yet.</returns>
    public async Task<bool> CompleteAsync(Guid tokenId, int concertId, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        if (await database.LockAsync(concertId, cancellationToken) is not { } room)
            return false;
        var now = clock.GetUtcNow();
        var query = database.Entries.AsNoTracking().Where(entry => entry.TokenId == tokenId && entry.ConcertId == concertId);
        var before = await query.SingleOrDefaultAsync(cancellationToken);
        // Includes an expired pass, which could still pay until its Exp.
        var completed = await query.Where(entry => entry.Status != QueueEntryStatus.Completed && entry.Status != QueueEntryStatus.Left)
            .ExecuteUpdateAsync(
                set => set
                    .SetProperty(entry => entry.Status, QueueEntryStatus.Completed)
                    .SetProperty(entry => entry.CompletedAt, now)
                    .SetProperty(entry => entry.RevokedSequence, room.Sequence + 1)
                    .SetProperty(entry => entry.SlotUntil, (DateTimeOffset?)null),
                cancellationToken);
        if (completed == 0)
            return false;
        AddGap(room, before!);
        await RevokeAsync(room, await query.SingleAsync(cancellationToken), transaction, now, cancellationToken);
        metrics.Completed.Add(1, QueueMetrics.Of(concertId));
        return true;
    }

    /// <summary>Finds an entry without changing it.</summary>
    public Task<QueueEntry?> FindAsync(Guid tokenId, int concertId, string userId, CancellationToken cancellationToken) =>
        EntryOf(tokenId, concertId, userId).SingleOrDefaultAsync(cancellationToken);

    // Only the end of a waiting entry moves others up.
    private static void AddGap(WaitingRoom room, QueueEntry before)
    {
        if (before.Status == QueueEntryStatus.Waiting && before.Number > room.Serving)
            room.Gaps = GapList.AfterLeaving(room.Gaps, room.Serving, before.Number);
    }

    private IQueryable<QueueEntry> EntryOf(Guid tokenId, int concertId, string userId) =>
        database.Entries.AsNoTracking().Where(entry => entry.TokenId == tokenId && entry.ConcertId == concertId && entry.UserId == userId);

    private async Task RevokeAsync(
        WaitingRoom room, QueueEntry entry, IDbContextTransaction transaction, DateTimeOffset now, CancellationToken cancellationToken)
    {
        room.Advance(now, revocations: 1);
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        announcer.Announce(
            new QueueTokenRevoked(entry.ConcertId, entry.RevokedSequence!.Value, entry.TokenId, entry.Exp,
                entry.Status == QueueEntryStatus.Left),
            rooms.Describe(room, now));
    }
}
