using System.Diagnostics;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Tells the saga repository that the outbox saves and commits the work of this context.</summary>
internal interface IOutboxTransaction
{
    DbContext Database { get; }

    /// <summary>Runs one attempt of a retry between the outbox and the handler. A failed attempt leaves nothing behind.</summary>
    Task AttemptAsync(Func<Task> attempt);
}

/// <summary>
/// Collects the messages that a handler under the outbox sends, and holds back its reports to MassTransit until the commit.
/// </summary>
internal sealed class InboxConsumeContext<TMessage>(
    ConsumeContext<TMessage> context, OutboxConsumeOptions options, IServiceProvider services, DbContext database,
    Func<CancellationToken, Task> begin, TimeProvider clock)
    : OutboxConsumeContextProxy<TMessage>(context, options, services), IOutboxTransaction
    where TMessage : class
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly string _consumerType = options.ConsumerType;
    private Func<Task>? _reportConsumed;
    private Func<Exception, Task>? _reportFaulted;
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

    /// <summary>Drops all messages, changes, statements and locks of the handler.</summary>
    public async Task UndoAsync()
    {
        if (database.Database.CurrentTransaction is { } transaction)
            await transaction.DisposeAsync().ConfigureAwait(false);
        database.ChangeTracker.Clear();
        Messages.Clear();
        // A handler that ended before the failure has set this; it must run again.
        _consumed = false;
    }

    /// <summary>Reports to MassTransit that the message is consumed. Called after the commit, and for a duplicate.</summary>
    public Task ReportConsumedAsync() => _reportConsumed?.Invoke() ?? base.NotifyConsumed(this, _watch.Elapsed, _consumerType);

    /// <summary>
    /// Reports to MassTransit that the handler, the commit or the deduplication failed. MassTransit's filters for faults sit around the
    /// handler, so they cannot see a failed commit.
    /// </summary>
    public Task ReportFaultedAsync(Exception exception) =>
        _reportFaulted?.Invoke(exception)
        ?? (exception is OperationCanceledException && CancellationToken.IsCancellationRequested
            ? Task.CompletedTask
            : base.NotifyFaulted(this, _watch.Elapsed, _consumerType, exception));

    // MassTransit calls this when the handler ends. Its work is not committed yet, and an execution strategy may run it again.
    public override Task NotifyConsumed(TimeSpan duration, string consumerType) => NotifyConsumed(this, duration, consumerType);

    public override Task NotifyConsumed<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType)
    {
        _reportConsumed = () => base.NotifyConsumed(context, duration, consumerType);
        _reportFaulted = exception => base.NotifyFaulted(context, duration, consumerType, exception);
        return Task.CompletedTask;
    }

    public override Task NotifyFaulted(TimeSpan duration, string consumerType, Exception exception) =>
        NotifyFaulted(this, duration, consumerType, exception);

    public override Task NotifyFaulted<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception)
    {
        _reportConsumed = null;
        _reportFaulted = _ => base.NotifyFaulted(context, duration, consumerType, exception);
        return Task.CompletedTask;
    }

    public void SetDuplicateOf(InboxState entry)
    {
        InboxId = entry.Id;
        _receiveCount = entry.ReceiveCount;
    }

    public void SetDone()
    {
        _consumed = true;
        _delivered = true;
    }

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
        Messages.Add(MessageCapture.RowOf(context, clock.GetUtcNow().UtcDateTime));
        return Task.CompletedTask;
    }
}
