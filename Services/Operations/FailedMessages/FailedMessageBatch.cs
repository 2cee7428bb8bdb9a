using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>The statements of one batch of failed messages. Each method is one transaction.</summary>
internal sealed class FailedMessageBatch(OperationBatch batch, TimeProvider clock)
{
    private readonly OperationsDbContext _database = batch.Database;
    private readonly Guid _operationId = batch.Operation.OperationId;
    private readonly List<long> _ids = batch.Items.ConvertAll(item => item.FailedMessageId);

    private IQueryable<FailedMessage> Messages => _database.FailedMessages.Where(message => _ids.Contains(message.FailedMessageId));

    /// <summary>Reserves the waiting messages, so that no other operation can send or discard them.</summary>
    public async Task ClaimAsync(CancellationToken cancellationToken) =>
        await _database.InTransactionAsync(_ => Messages.Where(message => message.Status == FailedMessageStatus.Waiting)
            .ExecuteUpdateAsync(set => set.SetProperty(message => message.Status, FailedMessageStatus.Requeuing)
                .SetProperty(message => message.OperationId, _operationId), cancellationToken), cancellationToken);

    /// <summary>Reads the messages of this operation that are not marked yet, in the order of their arrival.</summary>
    public Task<List<FailedMessage>> ReadClaimedAsync(CancellationToken cancellationToken) =>
        Claimed().AsNoTracking().OrderBy(message => message.FailedMessageId).ToListAsync(cancellationToken);

    /// <summary>Marks the messages that the broker has confirmed, and returns those without a queue to the waiting ones.</summary>
    /// <param name="sent">The confirmed messages.</param>
    /// <param name="refused">The messages without a queue.</param>
    /// <param name="explainsSkipped">Whether to record why the messages of others were skipped.</param>
    /// <param name="cancellationToken">Cancels the statement.</param>
    public async Task MarkAsync(
        IReadOnlyList<long> sent, IReadOnlyList<long> refused, bool explainsSkipped, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        await using var transaction = await _database.Database.BeginTransactionAsync(cancellationToken);
        if (explainsSkipped)
            await SkipOthersAsync(cancellationToken);
        await Claimed().Where(message => sent.Contains(message.FailedMessageId))
            .ExecuteUpdateAsync(set => set.SetProperty(message => message.Status, FailedMessageStatus.Requeued)
                .SetProperty(message => message.CompletedAt, now), cancellationToken);
        await Claimed().Where(message => refused.Contains(message.FailedMessageId))
            .ExecuteUpdateAsync(set => set.SetProperty(message => message.Status, FailedMessageStatus.Waiting), cancellationToken);
        foreach (var item in batch.Items.Where(item => refused.Contains(item.FailedMessageId)))
            (item.Outcome, item.Reason) = (ItemOutcome.Failed, "The queue does not exist. Start its service, then requeue the message.");
        Record(sent, FailedMessageStatus.Requeued, now);
        await _database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Discards the waiting messages.</summary>
    public async Task DiscardAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        await using var transaction = await _database.Database.BeginTransactionAsync(cancellationToken);
        await Messages.Where(message => message.Status == FailedMessageStatus.Waiting)
            .ExecuteUpdateAsync(set => set.SetProperty(message => message.Status, FailedMessageStatus.Discarded)
                .SetProperty(message => message.OperationId, _operationId).SetProperty(message => message.CompletedAt, now),
                cancellationToken);
        var discarded = await Messages.Where(message => message.OperationId == _operationId).Select(message => message.FailedMessageId)
            .ToListAsync(cancellationToken);
        Record(discarded, FailedMessageStatus.Discarded, now);
        await EndChangesAsync(discarded, cancellationToken);
        await SkipOthersAsync(cancellationToken);
        await _database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    // An operation that waits for the change of a discarded message would not end, and would send it again after a restart.
    private async Task EndChangesAsync(List<long> discarded, CancellationToken cancellationToken)
    {
        var awaited = await _database.OperationItems.Where(item => item.IsBegun && item.Outcome == null && item.TargetId != null
            && _database.Operations.Any(operation => operation.OperationId == item.OperationId
                && operation.Status == OperationStatus.Running)).ToListAsync(cancellationToken);
        var messageIds = await Messages.Where(message => discarded.Contains(message.FailedMessageId))
            .Select(message => message.MessageId).ToListAsync(cancellationToken);
        foreach (var item in awaited.Where(item => messageIds.Contains(OwnerWork.ActionIdOf(item).ToString())))
            (item.Outcome, item.Reason) = (ItemOutcome.Failed, "The message of this change failed, and an operator discarded it.");
    }

    private IQueryable<FailedMessage> Claimed() =>
        Messages.Where(message => message.OperationId == _operationId && message.Status == FailedMessageStatus.Requeuing);

    private void Record(IReadOnlyList<long> changed, FailedMessageStatus status, DateTimeOffset now)
    {
        foreach (var item in batch.Items.Where(item => changed.Contains(item.FailedMessageId)))
        {
            item.Outcome = ItemOutcome.Succeeded;
            _database.OperatorActions.Add(new OperatorAction
            {
                ActionId = Guid.CreateVersion7(now),
                At = now,
                Operator = batch.Operation.Operator,
                Action = batch.Operation.Kind.ToString(),
                Target = FailedMessageEndpoints.TargetOf(item.FailedMessageId),
                Reason = batch.Operation.Reason!,
                Before = OperatorAction.Describe(new { status = FailedMessageStatus.Waiting }),
                After = OperatorAction.Describe(new { status })
            });
        }
    }

    // Explains the items whose message another operation has taken, or the cleaner has deleted.
    private async Task SkipOthersAsync(CancellationToken cancellationToken)
    {
        var states = await Messages.Select(message => new { message.FailedMessageId, message.Status, message.OperationId })
            .ToDictionaryAsync(message => message.FailedMessageId, cancellationToken);
        foreach (var item in batch.Items)
        {
            if (!states.TryGetValue(item.FailedMessageId, out var state))
                (item.Outcome, item.Reason) = (ItemOutcome.Skipped, "The message does not exist.");
            else if (state.OperationId != _operationId)
                (item.Outcome, item.Reason) = (ItemOutcome.Skipped, $"The message is {state.Status}.");
        }
    }
}
