using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tokens;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Line;

/// <summary>An entry with its room.</summary>
internal sealed record EntryInRoom(QueueEntry Entry, WaitingRoom Room);

/// <summary>Updates one queue entry: its customer claims the offer, or leaves.</summary>
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
            GapList.Leave(room, before!);
            room.Advance(now, revocations: 1);
            await database.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            announcer.Announce(
                new QueueTokenRevoked(concertId, entry!.RevokedSequence!.Value, tokenId, entry.Exp, Left: true),
                rooms.Describe(room, now));
            metrics.Left.Add(1, QueueMetrics.Of(concertId));
        }
        return entry;
    }

    /// <summary>Finds an entry without changing it.</summary>
    public Task<QueueEntry?> FindAsync(Guid tokenId, int concertId, string userId, CancellationToken cancellationToken) =>
        EntryOf(tokenId, concertId, userId).SingleOrDefaultAsync(cancellationToken);

    private IQueryable<QueueEntry> EntryOf(Guid tokenId, int concertId, string userId) =>
        database.Entries.AsNoTracking().Where(entry => entry.TokenId == tokenId && entry.ConcertId == concertId && entry.UserId == userId);
}
