using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Line;

/// <summary>The pass that paid for a reservation.</summary>
internal sealed record PurchasedPass(Guid TokenId);

/// <summary>
/// Ends passes that have bought, and frees their slots. A repeat changes nothing. The reply is whether the pass had not ended yet.
/// </summary>
internal sealed class PurchasedPasses(
    QueueDbContext database, RoomDescriber describer, GatewayAnnouncer announcer, QueueMetrics metrics, TimeProvider clock)
    : ICommandHandler
{
    public async Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, LockWait lockWait)
    {
        Guid[] ids = [.. commands.Select(command => ((PurchasedPass)command).TokenId).Distinct()];
        // Includes an expired pass, which could still pay until its Exp.
        var open = database.Entries.Where(entry => ids.Contains(entry.TokenId) && entry.Status != QueueEntryStatus.Completed
            && entry.Status != QueueEntryStatus.Left);
        await using var transaction = await database.Database.BeginTransactionAsync(CancellationToken.None);
        var rooms = await LockAsync(open, lockWait.Start());
        lockWait.Stop();
        var ended = rooms.Count > 0 ? await open.OrderBy(entry => entry.TokenId).ToListAsync(CancellationToken.None) : [];
        if (ended.Count > 0)
        {
            var now = clock.GetUtcNow();
            foreach (var ofRoom in ended.GroupBy(entry => rooms[entry.ConcertId]))
                End(ofRoom.Key, [.. ofRoom], now);
            await database.SaveChangesAsync(CancellationToken.None);
            // Read again: a customer who has claimed the offer meanwhile has moved it. Gateways must know of the end until then.
            var exps = await database.Entries.Where(entry => ids.Contains(entry.TokenId))
                .Select(entry => new { entry.TokenId, entry.Exp })
                .ToDictionaryAsync(entry => entry.TokenId, entry => entry.Exp, CancellationToken.None);
            await transaction.CommitAsync(CancellationToken.None);
            foreach (var ofRoom in ended.GroupBy(entry => rooms[entry.ConcertId]))
                Announce(ofRoom.Key, [.. ofRoom], exps, now);
        }
        var endedIds = ended.Select(entry => entry.TokenId).ToHashSet();
        return [.. commands.Select(command => new CommandOutcome(endedIds.Contains(((PurchasedPass)command).TokenId)))];
    }

    // An entry that was completed or left stays so, and needs no lock.
    private async Task<Dictionary<int, WaitingRoom>> LockAsync(IQueryable<QueueEntry> entries, CancellationToken stop)
    {
        var rooms = new Dictionary<int, WaitingRoom>();
        // All replicas lock rooms in the same order, so they cannot deadlock.
        foreach (var concertId in (await entries.Select(entry => entry.ConcertId).Distinct().ToListAsync(CancellationToken.None)).Order())
            rooms.Add(concertId, (await database.LockAsync(concertId, stop))!);
        return rooms;
    }

    private static void End(WaitingRoom room, QueueEntry[] entries, DateTimeOffset now)
    {
        var sequence = room.Sequence;
        foreach (var entry in entries)
        {
            GapList.Leave(room, entry);
            entry.Status = QueueEntryStatus.Completed;
            entry.CompletedAt = now;
            entry.RevokedSequence = ++sequence;
            entry.SlotUntil = null;
        }
        room.Advance(now, entries.Length);
    }

    private void Announce(WaitingRoom room, QueueEntry[] entries, Dictionary<Guid, DateTimeOffset> exps, DateTimeOffset now)
    {
        foreach (var entry in entries)
            announcer.Announce(
                new QueueTokenRevoked(room.ConcertId, entry.RevokedSequence!.Value, entry.TokenId, exps[entry.TokenId], Left: false));
        announcer.Announce(describer.Describe(room, now));
        metrics.Completed.Add(entries.Length, QueueMetrics.Of(room.ConcertId));
    }
}
