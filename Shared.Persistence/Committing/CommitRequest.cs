namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Waits for a group commit. It carries either the changes of one message or a delivery receipt.</summary>
internal sealed class CommitRequest(WriteSet? changes, DeliveryReceipt? receipt)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WriteSet? Changes { get; } = changes;

    public DeliveryReceipt? Receipt { get; } = receipt;

    public Task Task => _done.Task;

    public void SetCommitted()
    {
        Changes?.Accept();
        _done.TrySetResult();
    }

    public void SetFailed(Exception exception) => _done.TrySetException(exception);
}
