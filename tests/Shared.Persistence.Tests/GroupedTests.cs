using MassTransit.EntityFrameworkCoreIntegration;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>Whatever waits is handled together, and nobody is forgotten or held up for others.</summary>
public sealed class GroupedTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>With SQLite nothing in a group ever really waits, so whoever began one could go on for ever with what others add.</summary>
    [Fact]
    public async Task Add_WhileOthersAdd_ReturnsAfterItsOwnGroup()
    {
        using var returned = new ManualResetEventSlim();
        var second = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Grouped<string> grouped = null!;
        await using var _ = grouped = new Grouped<string>(group =>
        {
            if (group.Contains("first"))
                grouped.Add("second");
            else
                second.SetResult(returned.Wait(Limit));
            return Task.CompletedTask;
        }, most: 1);

        await Task.Run(() =>
        {
            grouped.Add("first");
            returned.Set();
        }, TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);

        Assert.True(await second.Task.WaitAsync(Limit, TestContext.Current.CancellationToken));
    }

    /// <summary>What may wait a moment does not wait until there is nothing else to do.</summary>
    [Fact]
    public async Task AddLater_WhileGroupsAreAlwaysFull_IsHandled()
    {
        var handled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var stop = new CancellationTokenSource(Limit);
        Grouped<string> grouped = null!;
        await using var _ = grouped = new Grouped<string>(async group =>
        {
            if (group.Contains("later"))
                handled.SetResult();
            for (var i = 0; i < 2 && !handled.Task.IsCompleted && !stop.IsCancellationRequested; i++)
                grouped.Add("now");
            await Task.Yield();
        }, most: 2);

        grouped.Add("now");
        grouped.AddLater("later");

        await handled.Task.WaitAsync(Limit / 2, TestContext.Current.CancellationToken);
    }
}
