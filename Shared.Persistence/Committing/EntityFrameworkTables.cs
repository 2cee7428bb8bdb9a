using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Writes the outbox's rows through the change tracker, on any server.</summary>
internal sealed class EntityFrameworkTables : OutboxTables
{
    public override bool SavesLoneMessages => false;

    public override async Task<bool> AddAsync(DbContext database, OutboxRows rows)
    {
        if (rows.Receipts.Count > 0)
            await MarkAsync(database, rows).ConfigureAwait(false);
        // A failed attempt may have left keys on them.
        rows.Entries.ForEach(row => row.Id = 0);
        rows.Messages.ForEach(row => row.SequenceNumber = 0);
        database.AddRange(rows.Entries);
        database.AddRange(rows.Messages);
        return rows.Entries.Count > 0;
    }

    public override Task CommitAsync(DbContext database, IDbContextTransaction transaction, OutboxRows rows) => transaction.CommitAsync();

    private static async Task MarkAsync(DbContext database, OutboxRows rows)
    {
        var entries = rows.DeliveredEntries;
        var outboxes = rows.DeliveredOutboxes;
        var messages = rows.DeliveredMessages;
        if (!rows.KeepsDelivered)
            await database.Set<OutboxMessage>().Where(row => messages.Contains(row.SequenceNumber)).ExecuteDeleteAsync()
                .ConfigureAwait(false);
        if (entries.Length > 0)
        {
            await database.Set<InboxState>().Where(row => entries.Contains(row.Id))
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, rows.Now)).ConfigureAwait(false);
        }
        if (outboxes.Length > 0 && rows.KeepsDelivered)
        {
            await database.Set<OutboxState>().Where(row => outboxes.Contains(row.OutboxId))
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, rows.Now)).ConfigureAwait(false);
        }
        else if (outboxes.Length > 0)
        {
            await database.Set<OutboxState>().Where(row => outboxes.Contains(row.OutboxId)).ExecuteDeleteAsync().ConfigureAwait(false);
        }
    }
}
