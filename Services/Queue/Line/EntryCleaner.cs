using ConcertSaga.Contracts;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Line;

/// <summary>
/// Deletes ended entries in batches. After its last token has expired, an entry takes no slot, and gateways need no revocation for it. The
/// orchestrator remembers which passes have bought, so a late purchase message changes nothing. During the sale, entries also stay while
/// they count towards <see cref="EntryLimit"/>.
/// </summary>
public sealed class EntryCleaner(
    IServiceScopeFactory scopes, IOptions<QueueOptions> options, TimeProvider clock, ILogger<EntryCleaner> logger)
    : PeriodicTask("Deleting ended queue entries", options.Value.CleaningInterval, clock, logger)
{
    /// <summary>Deletes entries whose retention is over, and waiting entries of sales that ended that long ago.</summary>
    /// <returns>The number of deleted entries.</returns>
    public async Task<int> CleanAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        var before = now - options.Value.PlaceRetention;
        List<WaitingRoom> rooms;
        await using (var scope = scopes.CreateAsyncScope())
            rooms = await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Rooms.AsNoTracking().OrderBy(room => room.ConcertId)
                .ToListAsync(cancellationToken);
        var total = await CleanLeftAsync(now - ClockSkew.RevocationMargin, now, cancellationToken);
        foreach (var room in rooms)
            total += await CleanAsync(room, before, now, cancellationToken);
        return total;
    }

    public override Task RunOnceAsync(CancellationToken cancellationToken) => CleanAsync(cancellationToken);

    /// <summary>
    /// Deletes entries that left before they got a pass, as soon as their token has expired. They skip the retention, so customers who
    /// enter and leave repeatedly cannot fill the table. The filter matches the index of revocations.
    /// </summary>
    private Task<int> CleanLeftAsync(DateTimeOffset unused, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var batch = options.Value.CleaningBatch;
        var counted = EntryLimit.OldestAt(now);
        return scopes.DeleteInBatchesAsync<QueueDbContext>(Clock, batch, database => database.Entries
            .Where(entry => entry.RevokedSequence != null && entry.Exp < unused && entry.IssuedAt < counted
                && entry.Status == QueueEntryStatus.Left
                && entry.ClaimedAt == null
                && (entry.SlotUntil == null || entry.SlotUntil <= now))
            .OrderBy(entry => entry.Exp).Take(batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
    }

    private Task<int> CleanAsync(WaitingRoom room, DateTimeOffset before, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var batch = options.Value.CleaningBatch;
        var concertId = room.ConcertId;
        var serving = room.Serving;
        var isOver = room.SaleClosesAt < before;
        // Younger entries count towards the limit of their customer, unless they have bought.
        var counted = EntryLimit.OldestAt(now);
        // An unclaimed offer has no pass to remember, so it skips the retention.
        var unused = now - ClockSkew.RevocationMargin;
        // Filtered and ordered by number, so that the index of the line applies. Before the end of the sale, hardly any entry behind the
        // number being served has ended.
        return scopes.DeleteInBatchesAsync<QueueDbContext>(Clock, batch, database => database.Entries
            .Where(entry => entry.ConcertId == concertId && (isOver || entry.Number <= serving)
                && entry.Status != QueueEntryStatus.Offered && entry.Status != QueueEntryStatus.Active
                && (isOver || entry.Status == QueueEntryStatus.Completed
                    || (entry.Status != QueueEntryStatus.Waiting && entry.IssuedAt < counted))
                && (entry.Exp < before || (entry.Status == QueueEntryStatus.Expired && entry.ClaimedAt == null && entry.Exp < unused))
                && (entry.SlotUntil == null || entry.SlotUntil <= now))
            .OrderBy(entry => entry.Number).Take(batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
    }
}
