namespace ConcertSaga.Shared.Concurrency.Tests;

public sealed class BatcherTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>A batch on SQLite completes synchronously, so the caller of the first batch could end up running all later ones.</summary>
    [Fact]
    public async Task Add_WhileOthersAdd_ReturnsAfterItsOwnBatch()
    {
        using var returned = new ManualResetEventSlim();
        var second = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Batcher<string> batcher = null!;
        await using var _ = batcher = new Batcher<string>(batch =>
        {
            if (batch.Contains("first"))
                batcher.Add("second");
            else
                second.SetResult(returned.Wait(Limit));
            return Task.CompletedTask;
        }, maxItems: 1);

        await Task.Run(() =>
        {
            batcher.Add("first");
            returned.Set();
        }, TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);

        Assert.True(await second.Task.WaitAsync(Limit, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Defer_WhileBatchesAreAlwaysFull_IsHandled()
    {
        var handled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var stop = new CancellationTokenSource(Limit);
        Batcher<string> batcher = null!;
        await using var _ = batcher = new Batcher<string>(async batch =>
        {
            if (batch.Contains("deferred"))
                handled.SetResult();
            for (var i = 0; i < 2 && !handled.Task.IsCompleted && !stop.IsCancellationRequested; i++)
                batcher.Add("now");
            await Task.Yield();
        }, maxItems: 2);

        batcher.Add("now");
        batcher.Defer("deferred");

        await handled.Task.WaitAsync(Limit / 2, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Dispose_WithItemsWaiting_HandlesThemAndRefusesMore()
    {
        var handled = 0;
        var batcher = new Batcher<string>(async batch =>
        {
            await Task.Delay(5, CancellationToken.None);
            handled += batch.Count;
        }, maxItems: 3);
        for (var i = 0; i < 20; i++)
            Assert.True(batcher.Add("item"));
        batcher.Defer("deferred");

        await batcher.DisposeAsync();

        Assert.Equal(21, handled);
        Assert.False(batcher.Add("late"));
    }
}
