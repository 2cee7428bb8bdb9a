using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Consumes a message in one transaction (its inbox row, the rows its handler changed, the messages it sent), which it may share with other
/// messages, then delivers what it sent without any lock, and only then lets the message be acknowledged; what was delivered is marked with a
/// later commit. A crash anywhere in between is mended by the next delivery of the same message: it finds the inbox row and sends what is left, with the same ids.
/// </summary>
internal sealed class EntityFrameworkOutboxContextFactory<TDbContext>(
    TDbContext database, IServiceProvider services, EntityFrameworkOutboxOptions<TDbContext> outbox, InboxReader<TDbContext> reader,
    OutboxWriter<TDbContext> writer, TimeProvider clock) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions options, IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        var messageId = context.GetOriginalMessageId() ?? throw new MessageException(typeof(T), "The inbox needs a message id.");
        var now = clock.GetUtcNow();
        var consumed = new EntityFrameworkOutboxConsumeContext<T>(context, options, services, database, BeginAsync, clock);
        var inbox = new InboxState
        {
            MessageId = messageId,
            ConsumerId = options.ConsumerId,
            Received = now.UtcDateTime,
            ReceiveCount = 1,
            Consumed = now.UtcDateTime,
            ExpirationTime = context.ExpirationTime
        };

        // A repeat that is being consumed elsewhere at this moment is found by the unique key of its inbox row, after its handler has run for
        // nothing; so is one nobody could know for a repeat.
        var isFirst = (IsFirst(context) || !await reader.ReadAsync((messageId, options.ConsumerId)).ConfigureAwait(false))
            && await ConsumeAsync(consumed, inbox, next, context.CancellationToken).ConfigureAwait(false);
        if (!isFirst)
            await ResumeAsync(consumed, inbox, context.CancellationToken).ConfigureAwait(false);

        if (consumed.Messages.Count > 0)
        {
            var sent = new List<OutboxMessage>(consumed.Messages.Count);
            await OutboxMessages.SendAsync(consumed.Messages, sent, context.ReceiveContext.SendEndpointProvider, clock.GetUtcNow().UtcDateTime, isFirst, context.CancellationToken).ConfigureAwait(false);
            writer.Mark(Delivered.Of(consumed.Messages, sent, consumed.InboxId, null));
        }

        consumed.SetDone();
        await next.Send(consumed).ConfigureAwait(false);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("entityFrameworkOutbox");

    // Whether sender and broker say that it was never brought here, so that the inbox need not be asked.
    private static bool IsFirst(ConsumeContext context) =>
        context.ReceiveContext.TransportHeaders.TryGetHeader(OutboxMessages.FirstAttempt, out _)
        && !context.ReceiveContext.Redelivered && context.GetRetryAttempt() == 0 && context.GetRedeliveryCount() == 0;

    // Returns false when the message has been consumed before.
    private async Task<bool> ConsumeAsync<T>(
        EntityFrameworkOutboxConsumeContext<T> consumed, InboxState inbox, IPipe<OutboxConsumeContext<T>> next, CancellationToken cancellationToken)
        where T : class
    {
        // A transaction is undone as a whole, never in parts; a savepoint before each save would cost round trips for nothing.
        database.Database.AutoSavepointsEnabled = false;
        try
        {
            await BeginAsync(cancellationToken).ConfigureAwait(false);
            await next.Send(consumed).ConfigureAwait(false);
            OutboxInterceptor.Leave(database);

            // From here on it is delivered by this process, however long the handler took.
            inbox.LockId = Guid.CreateVersion7(clock.GetUtcNow());
            foreach (var message in consumed.Messages)
                (message.InboxMessageId, message.InboxConsumerId) = (inbox.MessageId, inbox.ConsumerId);
            if (consumed.Messages.Count == 0)
                inbox.Delivered = inbox.Consumed;

            var transaction = database.Database.CurrentTransaction;
            if (transaction is null && WriteSet.Of(database, inbox, consumed.Messages) is { } changes)
            {
                await writer.WriteAsync(changes).ConfigureAwait(false);
            }
            else
            {
                transaction ??= await database.Database.BeginTransactionAsync(outbox.IsolationLevel, cancellationToken).ConfigureAwait(false);
                database.Add(inbox);
                database.AddRange(consumed.Messages);
                await database.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                await transaction.DisposeAsync().ConfigureAwait(false);
            }
            consumed.InboxId = inbox.Id;
            _ = IsFirstLook(consumed, inbox);
            return true;
        }
        catch (Exception)
        {
            OutboxInterceptor.Leave(database);
            await consumed.UndoAsync().ConfigureAwait(false);
            if (await WasConsumedAsync(inbox).ConfigureAwait(false))
                return false;
            throw;
        }
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        OutboxInterceptor.Enter(database, outbox.IsolationLevel);
        if (!writer.MayShareCommits(database) && database.Database.CurrentTransaction is null)
            await database.Database.BeginTransactionAsync(outbox.IsolationLevel, cancellationToken).ConfigureAwait(false);
    }

    // Whatever went wrong, a message that has been consumed before did not fail: it found the world it left behind.
    private async Task<bool> WasConsumedAsync(InboxState inbox)
    {
        try
        {
            return await reader.ReadAsync((inbox.MessageId, inbox.ConsumerId)).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The database is what failed.
            return false;
        }
    }

    // The message has been consumed before: what it sent may not have reached the broker.
    private async Task ResumeAsync<T>(EntityFrameworkOutboxConsumeContext<T> consumed, InboxState inbox, CancellationToken cancellationToken)
        where T : class
    {
        // Counted by the database, so that copies that arrive together do not count over each other. Retries of one delivery are not counted,
        // nor is one whose commit failed here and succeeded there.
        if (IsFirstLook(consumed, inbox))
        {
            await using var transaction = await database.Database.BeginTransactionAsync(outbox.IsolationLevel, cancellationToken).ConfigureAwait(false);
            await Repeats(inbox).Where(row => row.LockId != inbox.LockId).ExecuteUpdateAsync(set => set.SetProperty(row => row.ReceiveCount, row => row.ReceiveCount + 1), cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        }
        var known = await Repeats(inbox).AsNoTracking().FirstAsync(cancellationToken).ConfigureAwait(false);
        consumed.InboxId = known.Id;
        consumed.Resumed(known.ReceiveCount);
        if (known.Delivered is null)
        {
            consumed.Messages.AddRange(await database.Set<OutboxMessage>().AsNoTracking()
                .Where(row => row.InboxMessageId == inbox.MessageId && row.InboxConsumerId == inbox.ConsumerId).OrderBy(row => row.SequenceNumber)
                .ToListAsync(cancellationToken).ConfigureAwait(false));
            if (consumed.Messages.Count == 0)
                writer.Mark(new Delivered(known.Id, null, []));
        }
    }

    // A delivery's context lives as long as the delivery.
    private static bool IsFirstLook(ConsumeContext context, InboxState inbox) =>
        context.ReceiveContext.GetOrAddPayload(static () => new CountedDelivery()).Add(inbox.ConsumerId);

    private IQueryable<InboxState> Repeats(InboxState inbox) =>
        database.Set<InboxState>().Where(row => row.MessageId == inbox.MessageId && row.ConsumerId == inbox.ConsumerId);
}

/// <summary>For which consumers a delivery is in the inbox's count.</summary>
internal sealed class CountedDelivery
{
    private readonly List<Guid> _consumers = new(1);

    /// <summary>Whether this is the first look of a consumer at the delivery. Consumers of one endpoint look at the same time.</summary>
    public bool Add(Guid consumerId)
    {
        lock (_consumers)
        {
            if (_consumers.Contains(consumerId))
                return false;
            _consumers.Add(consumerId);
            return true;
        }
    }
}

/// <summary>Marks a consume context whose work is saved and committed by the outbox, not by the saga repository within it.</summary>
internal interface IOutboxTransaction
{
    DbContext Database { get; }

    /// <summary>A retry between the outbox and the handler makes each attempt with this, so that it starts over and nothing of a failed one is kept.</summary>
    Task AttemptAsync(Func<Task> attempt);
}

internal sealed class EntityFrameworkOutboxConsumeContext<TMessage>(
    ConsumeContext<TMessage> context, OutboxConsumeOptions options, IServiceProvider services, DbContext database,
    Func<CancellationToken, Task> begin, TimeProvider clock)
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

    public async Task AttemptAsync(Func<Task> attempt)
    {
        try
        {
            await begin(CancellationToken).ConfigureAwait(false);
            await attempt().ConfigureAwait(false);
        }
        catch (Exception)
        {
            await UndoAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Nothing is left of what was sent, changed or written under the outbox, and nothing is locked.</summary>
    public async Task UndoAsync()
    {
        if (database.Database.CurrentTransaction is { } transaction)
            await transaction.DisposeAsync().ConfigureAwait(false);
        database.ChangeTracker.Clear();
        Messages.Clear();
    }

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
