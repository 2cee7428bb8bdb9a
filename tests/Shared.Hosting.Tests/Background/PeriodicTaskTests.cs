using ConcertSaga.Shared.Hosting.Background;
using Microsoft.Extensions.Logging.Abstractions;

namespace ConcertSaga.Shared.Hosting.Tests.Background;

public sealed class PeriodicTaskTests
{
    /// <summary>A task that fails would end the process with an error, although it was only asked to stop.</summary>
    [Fact]
    public async Task Stop_DuringAStatementOfADriverThatReportsAnError_EndsTheTask()
    {
        using var work = new InterruptedWork();
        await work.StartAsync(TestContext.Current.CancellationToken);
        await work.Running;

        await work.StopAsync(TestContext.Current.CancellationToken);

        await work.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.True(work.ExecuteTask.IsCompletedSuccessfully);
    }

    private sealed class InterruptedWork()
        : PeriodicTask("Working", TimeSpan.FromHours(1), TimeProvider.System, NullLogger<InterruptedWork>.Instance)
    {
        private readonly TaskCompletionSource _running = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Running => _running.Task;

        protected override bool RunsAtStart => true;

        public override async Task RunOnceAsync(CancellationToken cancellationToken)
        {
            _running.SetResult();
            var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = cancellationToken.Register(cancelled.SetResult);
            await cancelled.Task;
            throw new InvalidOperationException("Operation cancelled by user.");
        }
    }
}
