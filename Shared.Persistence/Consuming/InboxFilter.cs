using MassTransit.Middleware;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Consumes a message exactly once: receive, deduplicate, handle, commit, send, mark, acknowledge. After a crash between two steps, the
/// next delivery of the message finds the inbox entry and sends the remaining messages with the same ids. MassTransit's own
/// filter calls it for each message, by the interface.
/// </summary>
internal sealed class InboxFilter<TDbContext>(
    TDbContext database, IServiceProvider services, EntityFrameworkOutboxOptions<TDbContext> outbox, InboxReader<TDbContext> inbox,
    GroupCommit<TDbContext> groups, TimeProvider clock) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions options, IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        var entry = NewEntry(context, options.ConsumerId);
        var consumed = new InboxConsumeContext<T>(context, options, services, database, BeginAsync, clock);
        var tries = 0;
        var isDuplicate = false;
        try
        {
            await ExecutionStrategies.RunAsync(database, async () =>
            {
                // Deduplicate. After a commit without an answer, only the inbox tells whether the server committed.
                isDuplicate = (tries++ > 0 || !IsFirstDelivery(context)) && await IsInInboxAsync(entry).ConfigureAwait(false);
                if (!isDuplicate)
                {
                    try
                    {
                        await BeginAsync(context.CancellationToken).ConfigureAwait(false);
                        // Handle: MassTransit's pipe calls the consumer, whose messages stay in the consume context.
                        await next.Send(consumed).ConfigureAwait(false);
                        // Commit: one transaction for the handler's changes, the inbox entry and the outbox messages.
                        await CommitAsync(consumed, entry).ConfigureAwait(false);
                    }
                    catch (Exception)
                    {
                        OutboxScope.Of(database)?.LeaveHandler();
                        await consumed.UndoAsync().ConfigureAwait(false);
                        // Another process may have consumed a copy meanwhile. A duplicate never fails: its effects are committed.
                        isDuplicate = await IsKnownToBeInInboxAsync(entry).ConfigureAwait(false);
                        if (!isDuplicate)
                            throw;
                    }
                }
                if (isDuplicate)
                    await ResumeAsync(consumed, entry).ConfigureAwait(false);
                return true;
            }, context.CancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            await consumed.ReportFaultedAsync(exception).ConfigureAwait(false);
            throw;
        }
        await consumed.ReportConsumedAsync().ConfigureAwait(false);

        if (consumed.Messages.Count > 0)
        {
            // Send: from memory and in order, without a transaction.
            var sent = new List<OutboxMessage>(consumed.Messages.Count);
            await MessageDelivery.SendAsync(consumed.Messages, sent, context.ReceiveContext.SendEndpointProvider,
                clock.GetUtcNow().UtcDateTime, isFirst: !isDuplicate, context.CancellationToken).ConfigureAwait(false);
            // Mark: one of the next commits deletes the sent messages.
            groups.Mark(DeliveryReceipt.Of(consumed.Messages, sent, consumed.InboxId, null));
        }

        // Acknowledge. MassTransit's pipe expects one more call when all is delivered: it skips the handler and completes the message.
        // The transport acknowledges the message after this method returns.
        consumed.SetDone();
        await next.Send(consumed).ConfigureAwait(false);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("entityFrameworkOutbox");

    private InboxState NewEntry<T>(ConsumeContext<T> context, Guid consumerId)
        where T : class
    {
        var now = clock.GetUtcNow().UtcDateTime;
        return new InboxState
        {
            MessageId = context.GetOriginalMessageId() ?? throw new MessageException(typeof(T), "The inbox needs a message id."),
            ConsumerId = consumerId,
            Received = now,
            ReceiveCount = 1,
            Consumed = now,
            ExpirationTime = context.ExpirationTime
        };
    }

    // If the sending outbox and the broker both report a first delivery, the look into the inbox is unnecessary. If they are wrong, the
    // unique key of the inbox entry rejects the commit.
    private static bool IsFirstDelivery(ConsumeContext context) =>
        context.ReceiveContext.TransportHeaders.TryGetHeader(MessageDelivery.FirstAttempt, out _)
        && !context.ReceiveContext.Redelivered && context.GetRetryAttempt() == 0 && context.GetRedeliveryCount() == 0;

    private Task<bool> IsInInboxAsync(InboxState entry) => inbox.ReadAsync((entry.MessageId, entry.ConsumerId));

    private async Task<bool> IsKnownToBeInInboxAsync(InboxState entry)
    {
        try
        {
            return await IsInInboxAsync(entry).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The database itself is failing, so the first exception is the one to report.
            return false;
        }
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        OutboxScope.Of(database)?.EnterHandler(outbox.IsolationLevel);
        // The outbox never rolls back a part of a transaction, and a savepoint before each save would cost a round trip.
        database.Database.AutoSavepointsEnabled = false;
        if (!groups.CanShare(database) && database.Database.CurrentTransaction is null)
            await database.Database.BeginTransactionAsync(outbox.IsolationLevel, cancellationToken).ConfigureAwait(false);
    }

    // Joins a group commit, unless the handler has its own transaction or changes that only its own context can save.
    private async Task CommitAsync<T>(InboxConsumeContext<T> consumed, InboxState entry)
        where T : class
    {
        OutboxScope.Of(database)?.LeaveHandler();
        // The lease to deliver the messages starts now, so a slow handler does not use it up.
        entry.LockId = Guid.CreateVersion7(clock.GetUtcNow());
        foreach (var message in consumed.Messages)
        {
            message.InboxMessageId = entry.MessageId;
            message.InboxConsumerId = entry.ConsumerId;
        }
        // A failed try may have left its values here.
        entry.Id = 0;
        entry.Delivered = consumed.Messages.Count == 0 ? entry.Consumed : null;

        var transaction = database.Database.CurrentTransaction;
        if (transaction is null && WriteSet.Of(database, entry, consumed.Messages) is { } changes)
        {
            await groups.CommitAsync(changes).ConfigureAwait(false);
        }
        else
        {
            transaction ??= await database.Database.BeginTransactionAsync(outbox.IsolationLevel, consumed.CancellationToken)
                .ConfigureAwait(false);
            database.Add(entry);
            database.AddRange(consumed.Messages);
            await database.SaveChangesAsync(consumed.CancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(consumed.CancellationToken).ConfigureAwait(false);
            await transaction.DisposeAsync().ConfigureAwait(false);
        }
        consumed.InboxId = entry.Id;
        DeliveryCount.Of(consumed).Add(entry.ConsumerId);
    }

    // Counts a duplicate and loads the messages that are not marked as delivered: the first delivery may have ended before it sent all.
    private async Task ResumeAsync<T>(InboxConsumeContext<T> consumed, InboxState entry)
        where T : class
    {
        var cancellationToken = consumed.CancellationToken;
        var entries = database.Set<InboxState>().Where(row => row.MessageId == entry.MessageId && row.ConsumerId == entry.ConsumerId);
        // The database increments, so concurrent copies cannot overwrite each other's count. Retries of one delivery do not count, nor
        // does this delivery if the entry is its own, from a commit whose answer was lost.
        var deliveryCount = DeliveryCount.Of(consumed);
        if (!deliveryCount.Contains(entry.ConsumerId))
        {
            deliveryCount.Add(entry.ConsumerId);
            await ExecutionStrategies.InTransactionAsync(database, outbox.IsolationLevel, () =>
                entries.Where(row => row.LockId != entry.LockId)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.ReceiveCount, row => row.ReceiveCount + 1), cancellationToken),
                cancellationToken).ConfigureAwait(false);
        }
        var known = await entries.AsNoTracking().FirstAsync(cancellationToken).ConfigureAwait(false);
        consumed.SetDuplicateOf(known);
        if (known.Delivered is not null)
            return;
        consumed.Messages.AddRange(await database.Set<OutboxMessage>().AsNoTracking()
            .Where(row => row.InboxMessageId == entry.MessageId && row.InboxConsumerId == entry.ConsumerId)
            .OrderBy(row => row.SequenceNumber).ToListAsync(cancellationToken).ConfigureAwait(false));
        if (consumed.Messages.Count == 0)
            groups.Mark(new DeliveryReceipt(known.Id, null, []));
    }
}
