using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Consumes a message in one transaction (inbox row, the consumer's own rows, the messages it sent), then delivers those messages without
/// any lock, then marks them delivered together with those of other messages, and only then lets the message be acknowledged. A crash
/// anywhere in between is mended by the next delivery of the same message: it finds the inbox row and sends what is left, with the same ids.
/// </summary>
internal sealed class EntityFrameworkOutboxContextFactory<TDbContext>(
    TDbContext database, IServiceProvider services, EntityFrameworkOutboxOptions<TDbContext> outbox, DeliveredMessages<TDbContext> delivered,
    TimeProvider clock) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions options, IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        var messageId = context.GetOriginalMessageId() ?? throw new MessageException(typeof(T), "The inbox needs a message id.");
        var now = clock.GetUtcNow().UtcDateTime;
        var consumed = new EntityFrameworkOutboxConsumeContext<T>(context, options, services, database, clock);
        // The transaction is undone as a whole, never in parts; a savepoint before each save would cost round trips for nothing.
        database.Database.AutoSavepointsEnabled = false;

        await using (var transaction = await database.Database.BeginTransactionAsync(outbox.IsolationLevel, context.CancellationToken).ConfigureAwait(false))
        {
            var inboxId = await InboxStatements.InsertAsync(
                database, messageId, options.ConsumerId, Guid.CreateVersion7(clock.GetUtcNow()), now, context.ExpirationTime, context.CancellationToken).ConfigureAwait(false);
            if (inboxId is { } id)
            {
                await next.Send(consumed).ConfigureAwait(false);
                consumed.InboxId = id;
                foreach (var message in consumed.Messages)
                {
                    message.InboxMessageId = messageId;
                    message.InboxConsumerId = options.ConsumerId;
                }
                database.AddRange(consumed.Messages);
                if (consumed.Messages.Count == 0)
                {
                    var inbox = new InboxState { Id = id, MessageId = messageId, ConsumerId = options.ConsumerId };
                    database.Attach(inbox);
                    inbox.Delivered = now;
                }
                await database.SaveChangesAsync(context.CancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(context.CancellationToken).ConfigureAwait(false);
            }
            else
            {
                await transaction.RollbackAsync(context.CancellationToken).ConfigureAwait(false);
                await ResumeAsync(consumed, messageId, options.ConsumerId, context.CancellationToken).ConfigureAwait(false);
            }
        }

        if (consumed.Messages.Count > 0)
        {
            await OutboxMessages.SendAsync(consumed.Messages, context.ReceiveContext.SendEndpointProvider, now, context.CancellationToken).ConfigureAwait(false);
            await delivered.MarkAsync(new Delivered(consumed.InboxId, null, consumed.Messages)).ConfigureAwait(false);
        }

        consumed.SetDone();
        await next.Send(consumed).ConfigureAwait(false);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("entityFrameworkOutbox");

    // The message has been consumed before: what it sent may not have reached the broker.
    private async Task ResumeAsync<T>(EntityFrameworkOutboxConsumeContext<T> consumed, Guid messageId, Guid consumerId, CancellationToken cancellationToken)
        where T : class
    {
        await using (var transaction = await database.Database.BeginTransactionAsync(outbox.IsolationLevel, cancellationToken).ConfigureAwait(false))
        {
            // Counted by the database, so that copies that arrive together do not count over each other.
            await database.Set<InboxState>().Where(row => row.MessageId == messageId && row.ConsumerId == consumerId)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.ReceiveCount, row => row.ReceiveCount + 1), cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        }
        var inbox = await database.Set<InboxState>().AsNoTracking()
            .FirstAsync(row => row.MessageId == messageId && row.ConsumerId == consumerId, cancellationToken).ConfigureAwait(false);
        consumed.InboxId = inbox.Id;
        consumed.Resumed(inbox.ReceiveCount);
        if (inbox.Delivered is null)
        {
            consumed.Messages.AddRange(await database.Set<OutboxMessage>().AsNoTracking()
                .Where(row => row.InboxMessageId == messageId && row.InboxConsumerId == consumerId).OrderBy(row => row.SequenceNumber)
                .ToListAsync(cancellationToken).ConfigureAwait(false));
        }
    }
}

/// <summary>Marks a consume context whose work is saved and committed by the outbox, not by the saga repository within it.</summary>
internal interface IOutboxTransaction
{
    DbContext Database { get; }
}

internal sealed class EntityFrameworkOutboxConsumeContext<TMessage>(
    ConsumeContext<TMessage> context, OutboxConsumeOptions options, IServiceProvider services, DbContext database, TimeProvider clock)
    : OutboxConsumeContextProxy<TMessage>(context, options, services), IOutboxTransaction
    where TMessage : class
{
    private bool _consumed;
    private bool _delivered;
    private int _receiveCount = 1;

    public List<OutboxMessage> Messages { get; } = [];

    public long InboxId { get; set; }

    public DbContext Database => database;

    public override bool ContinueProcessing { get; set; } = true;

    public override bool IsMessageConsumed => _consumed;

    public override bool IsOutboxDelivered => _delivered;

    public override int ReceiveCount => _receiveCount;

    public override long? LastSequenceNumber => null;

    public void Resumed(int receiveCount) => _receiveCount = receiveCount;

    public void SetDone() => _consumed = _delivered = true;

    public override Task SetConsumed()
    {
        _consumed = true;
        return Task.CompletedTask;
    }

    public override Task SetDelivered() => Task.CompletedTask;

    public override Task<List<OutboxMessageContext>> LoadOutboxMessages() => Task.FromResult(new List<OutboxMessageContext>(Messages));

    public override Task NotifyOutboxMessageDelivered(OutboxMessageContext message) => Task.CompletedTask;

    public override Task RemoveOutboxMessages() => Task.CompletedTask;

    public override Task AddSend<T>(SendContext<T> context)
    {
        Messages.Add(OutboxMessages.Capture(context, clock.GetUtcNow().UtcDateTime));
        return Task.CompletedTask;
    }
}
