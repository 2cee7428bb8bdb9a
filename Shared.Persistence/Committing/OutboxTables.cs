using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The rows that one commit writes into the outbox's tables.</summary>
/// <param name="Entries">The inbox entries of consumed messages.</param>
/// <param name="Messages">The messages that their handlers sent.</param>
/// <param name="Receipts">The deliveries since the last commit.</param>
/// <param name="Now">The time to record as the time of delivery.</param>
/// <param name="KeepsDelivered">Whether delivered messages stay for a retention period.</param>
internal sealed record OutboxRows(
    List<InboxState> Entries, List<OutboxMessage> Messages, List<DeliveryReceipt> Receipts, DateTime Now, bool KeepsDelivered)
{
    // Sorted, so that replicas lock rows in the same order and cannot deadlock.
    public Guid[] DeliveredOutboxes =>
        [.. Receipts.Where(receipt => receipt.OutboxId is not null).Select(receipt => receipt.OutboxId!.Value).Order()];

    public long[] DeliveredEntries =>
        [.. Receipts.Where(receipt => receipt.InboxId is not null).Select(receipt => receipt.InboxId!.Value).Order()];

    public long[] DeliveredMessages =>
        [.. Receipts.SelectMany(receipt => receipt.Messages).Select(message => message.SequenceNumber).Order()];
}

/// <summary>Writes the outbox's rows in an open transaction, in the way that suits the database server.</summary>
internal abstract class OutboxTables
{
    public static OutboxTables Of(DbContext database) =>
        database.Database.ProviderName == "Npgsql.EntityFrameworkCore.PostgreSQL" ? new PostgreSqlTables(database)
            : new EntityFrameworkTables();

    /// <summary>Whether the handler's own context saves a message that is alone in its group.</summary>
    public abstract bool SavesLoneMessages { get; }

    /// <summary>Adds rows to the context's next save; returns whether this requires a save.</summary>
    public abstract Task<bool> AddAsync(DbContext database, OutboxRows rows);

    /// <summary>Writes the remaining rows and commits.</summary>
    public abstract Task CommitAsync(DbContext database, IDbContextTransaction transaction, OutboxRows rows);
}
