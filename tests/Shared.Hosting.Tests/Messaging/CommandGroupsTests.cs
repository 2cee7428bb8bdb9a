using ConcertSaga.Shared.Hosting.Failures;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Hosting.Tests.Messaging;

public sealed class CommandGroupsTests : IAsyncDisposable
{
    private readonly Handler _handler = new();
    private readonly ServiceProvider _services;

    public CommandGroupsTests() => _services = new ServiceCollection()
        .AddScoped(_ => _handler).AddSingleton<CommandGroups<Handler>>().BuildServiceProvider();

    private CommandGroups<Handler> Groups => _services.GetRequiredService<CommandGroups<Handler>>();

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    [Fact]
    public async Task Commands_DuringATransaction_ShareTheNext()
    {
        var first = Groups.HandleAsync("a");
        var others = Task.WhenAll("bcd".Select(letter => Groups.HandleAsync(letter.ToString())));
        _handler.Commit.SetResult();

        Assert.Equal("re: a", (await first).Reply);
        Assert.Equal(["re: b", "re: c", "re: d"], (await others).Select(outcome => outcome.Reply));
        Assert.Equal(["a", "bcd"], _handler.Groups);
    }

    [Fact]
    public async Task Command_ThatFails_FailsAlone()
    {
        var first = Groups.HandleAsync("a");
        var poison = Groups.HandleAsync("poison");
        var other = Groups.HandleAsync("b");
        _handler.Commit.SetResult();

        await first;
        Assert.Equal("re: b", (await other).Reply);
        await Assert.ThrowsAsync<ArgumentException>(() => poison);
    }

    /// <summary>A command that must wait for a lock would otherwise hold up all others of its group. Its message is retried.</summary>
    [Fact]
    public async Task Command_ThatWaitsForALock_FailsAlone()
    {
        var first = Groups.HandleAsync("a");
        var locked = Groups.HandleAsync("locked");
        var other = Groups.HandleAsync("b");
        _handler.Commit.SetResult();

        Assert.Equal("re: b", (await other).Reply);
        await first;
        var failure = await Assert.ThrowsAsync<TimeoutException>(() => locked);
        Assert.True(FailurePolicy.IsTransient(failure));
        Assert.Equal("re: c", (await Groups.HandleAsync("c")).Reply);
    }

    /// <summary>The next group does not wait while it has its own time.</summary>
    [Fact]
    public async Task Command_ThatWaitsForALockByItself_LetsOthersPass()
    {
        _handler.Commit.SetResult();
        var locked = Groups.HandleAsync("locked");

        Assert.Equal("re: b", (await Groups.HandleAsync("b")).Reply);

        await Assert.ThrowsAsync<TimeoutException>(() => locked);
        Assert.Equal(2, _handler.Groups.Count(group => group == "locked"));
    }

    [Fact]
    public async Task Command_AfterTheEnd_IsLeftToTheBroker()
    {
        _handler.Commit.SetResult();
        await Groups.HandleAsync("a");
        await Groups.DisposeAsync();

        await Assert.ThrowsAsync<OperationCanceledException>(() => Groups.HandleAsync("b"));
    }

    public sealed class Handler : ICommandHandler
    {
        /// <summary>Ends the first transaction.</summary>
        public TaskCompletionSource Commit { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>The commands of each group.</summary>
        public List<string> Groups { get; } = [];

        public async Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, LockWait lockWait)
        {
            lock (Groups)
                Groups.Add(string.Concat(commands));
            await Commit.Task;
            if (commands.Contains("locked"))
                await Task.Delay(Timeout.Infinite, lockWait.Start());
            return commands.Contains("poison") ? throw new ArgumentException("This command always fails.")
                : [.. commands.Select(command => new CommandOutcome($"re: {command}"))];
        }
    }
}
