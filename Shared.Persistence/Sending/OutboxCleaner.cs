using System.Data;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Deletes inbox entries after the duplicate detection window, and delivered messages after their retention.
/// </summary>
internal sealed class OutboxCleaner<TDbContext>(EntityFrameworkOutboxOptions<TDbContext> options, TimeProvider clock)
    where TDbContext : DbContext
{
    private const int MaxRows = 1000;

    private long _cleanedTo;

    /// <summary>Deletes up to a thousand rows of each kind and returns whether more remain.</summary>
    public async Task<bool> CleanAsync(TDbContext database, CancellationToken cancellationToken)
    {
        var more = options.DeliveredRetention > TimeSpan.Zero && await DeleteKeptAsync(database, cancellationToken).ConfigureAwait(false);
        return (options.InboxCleanup && await DeleteInboxAsync(database, cancellationToken).ConfigureAwait(false)) || more;
    }

    private async Task<bool> DeleteKeptAsync(TDbContext database, CancellationToken cancellationToken)
    {
        var (now, ahead) = Now();
        var before = now - options.DeliveredRetention;
        await CorrectDeliveredAsync(database, now, ahead, cancellationToken).ConfigureAwait(false);
        var outboxes = await database.Set<OutboxState>().Where(row => row.Delivered < before).OrderBy(row => row.Created)
            .Select(row => row.OutboxId).Take(MaxRows).ToListAsync(cancellationToken).ConfigureAwait(false);
        var inboxes = await database.Set<OutboxMessage>().Where(message => message.InboxMessageId != null && database.Set<InboxState>()
                .Any(row => row.MessageId == message.InboxMessageId && row.ConsumerId == message.InboxConsumerId && row.Delivered < before))
            .OrderBy(message => message.SequenceNumber).Select(message => message.SequenceNumber).Take(MaxRows)
            .ToListAsync(cancellationToken).ConfigureAwait(false);
        if (outboxes.Count > 0 || inboxes.Count > 0)
        {
            await ExecutionStrategies.InTransactionAsync(database, IsolationLevel.ReadCommitted, async () =>
            {
                await database.Set<OutboxMessage>()
                    .Where(row => outboxes.Contains(row.OutboxId!.Value) || inboxes.Contains(row.SequenceNumber))
                    .ExecuteDeleteAsync(cancellationToken).ConfigureAwait(false);
                await database.Set<OutboxState>().Where(row => outboxes.Contains(row.OutboxId)).ExecuteDeleteAsync(cancellationToken)
                    .ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        }
        return outboxes.Count == MaxRows || inboxes.Count == MaxRows;
    }

    private async Task<bool> DeleteInboxAsync(TDbContext database, CancellationToken cancellationToken)
    {
        var (now, ahead) = Now();
        var window = options.DuplicateDetectionWindow > options.DeliveredRetention ? options.DuplicateDetectionWindow
            : options.DeliveredRetention;
        var before = now - window;
        var after = _cleanedTo;
        // Keys grow with time, so the oldest rows come first. An entry with messages stays, because the sweeper needs it to deliver them.
        var oldest = await database.Set<InboxState>().Where(row => row.Id > after).OrderBy(row => row.Id).Take(MaxRows)
            .Where(row => row.Received < before || row.Received > ahead)
            .Select(row => new
            {
                row.Id,
                IsMisdated = row.Received > ahead,
                HasMessages = database.Set<OutboxMessage>()
                    .Any(message => message.InboxMessageId == row.MessageId && message.InboxConsumerId == row.ConsumerId)
            }).ToListAsync(cancellationToken).ConfigureAwait(false);
        _cleanedTo = oldest.Count == MaxRows ? oldest[^1].Id : 0;
        var misdated = oldest.FindAll(row => row.IsMisdated).ConvertAll(row => row.Id);
        var old = oldest.FindAll(row => !row.IsMisdated && !row.HasMessages).ConvertAll(row => row.Id);
        if (misdated.Count + old.Count > 0)
        {
            await ExecutionStrategies.InTransactionAsync(database, IsolationLevel.ReadCommitted, async () =>
            {
                await database.Set<InboxState>().Where(row => old.Contains(row.Id)).ExecuteDeleteAsync(cancellationToken)
                    .ConfigureAwait(false);
                await database.Set<InboxState>().Where(row => misdated.Contains(row.Id))
                    .ExecuteUpdateAsync(set => set.SetProperty(row => row.Received, now), cancellationToken).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        }
        return oldest.Count == MaxRows;
    }

    // Corrects marks that a fast clock dated in the future; their retention starts now.
    private static async Task CorrectDeliveredAsync(TDbContext database, DateTime now, DateTime ahead, CancellationToken cancellationToken)
    {
        if (!await database.Set<OutboxState>().AnyAsync(row => row.Delivered > ahead, cancellationToken).ConfigureAwait(false)
            && !await database.Set<InboxState>().AnyAsync(row => row.Delivered > ahead, cancellationToken).ConfigureAwait(false))
        {
            return;
        }
        await ExecutionStrategies.InTransactionAsync(database, IsolationLevel.ReadCommitted, async () =>
        {
            await database.Set<OutboxState>().Where(row => row.Delivered > ahead)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, now), cancellationToken).ConfigureAwait(false);
            await database.Set<InboxState>().Where(row => row.Delivered > ahead)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, now), cancellationToken).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    private (DateTime Now, DateTime Ahead) Now()
    {
        var now = clock.GetUtcNow().UtcDateTime;
        return (now, now + options.DeliveryLease);
    }
}
