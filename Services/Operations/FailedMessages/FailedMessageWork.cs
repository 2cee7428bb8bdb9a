using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using MassTransit;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>
/// Requeues and discards failed messages. A batch to requeue is claimed, sent and marked. After a kill in between, the claimed messages are
/// sent once more under the same ids, and their consumers ignore the copies.
/// </summary>
internal sealed class FailedMessageWork(Requeuer requeuer, TimeProvider clock) : IOperationWork
{
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(30);

    public IReadOnlyList<OperationKind> Kinds { get; } = [OperationKind.Requeue, OperationKind.Discard];

    public async Task<bool> RunAsync(OperationBatch batch, CancellationToken cancellationToken)
    {
        var messages = new FailedMessageBatch(batch, clock);
        if (batch.Operation.Kind == OperationKind.Requeue)
            await RequeueAsync(messages, batch.Operation.IsStopping, cancellationToken);
        else if (!batch.Operation.IsStopping)
            await messages.DiscardAsync(cancellationToken);
        return false;
    }

    private async Task RequeueAsync(FailedMessageBatch batch, bool isStopping, CancellationToken cancellationToken)
    {
        // Messages that were claimed before the operation was stopped may already be in their queues.
        if (!isStopping)
            await batch.ClaimAsync(cancellationToken);
        var messages = await batch.ReadClaimedAsync(cancellationToken);
        var results = await Task.WhenAll(messages.GroupBy(message => message.Queue).Select(queue => SendAsync(queue, cancellationToken)));
        // What was sent is marked also while the process stops.
        await batch.MarkAsync([.. results.SelectMany(result => result.Sent)], [.. results.SelectMany(result => result.Refused)],
            explainsSkipped: !isStopping, CancellationToken.None);
        if (Array.Find(results, result => result.Failure is not null) is { Failure: { } failure })
            throw new OperationPausedException(failure);
    }

    // Each message waits for the confirmation of the one before it in the same queue, so their order stays.
    private async Task<QueueResult> SendAsync(IEnumerable<FailedMessage> queue, CancellationToken cancellationToken)
    {
        var result = new QueueResult([], [], null);
        foreach (var message in queue)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(SendTimeout);
            try
            {
                await requeuer.SendAsync(message, limit.Token);
                result.Sent.Add(message.FailedMessageId);
            }
            catch (MessageReturnedException)
            {
                result.Refused.Add(message.FailedMessageId);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return result with { Failure = new TimeoutException("The broker has not confirmed a message in time.") };
            }
            catch (Exception exception)
            {
                return result with { Failure = exception };
            }
        }
        return result;
    }

    private sealed record QueueResult(List<long> Sent, List<long> Refused, Exception? Failure);

    // Keeps the type and stack of the failure, which tells whether it is transient.
    private sealed class OperationPausedException(Exception failure)
        : Exception($"A message could not be sent: {failure.Message}", failure);
}
