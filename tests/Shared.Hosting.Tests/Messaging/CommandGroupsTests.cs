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

    /// <summary>A command that must wait for a lock would otherwise hold up all others of its group.</summary>
    [Fact]
    public async Task Command_ThatWaitsForALock_WaitsAlone()
    {
        var first = Groups.HandleAsync("a");
        var locked = Groups.HandleAsync("locked");
        var other = Groups.HandleAsync("b");
        _handler.Commit.SetResult();

        Assert.Equal("re: b", (await other.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken)).Reply);
        Assert.Equal("re: c", (await Groups.HandleAsync("c")
            .WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken)).Reply);
        Assert.False(locked.IsCompleted);
        _handler.Unlock.SetResult();
        Assert.Equal("re: locked", (await locked).Reply);
        await first;
    }

    [Fact]
    public async Task Command_ThatWaitsForALock_DoesNotKeepLaterOnesWaiting()
    {
        _handler.Commit.SetResult();
        var locked = Groups.HandleAsync("locked");

        Assert.Equal("re: a", (await Groups.HandleAsync("a")
            .WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken)).Reply);
        Assert.False(locked.IsCompleted);
        _handler.Unlock.SetResult();
        await locked;
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

        public TaskCompletionSource Unlock { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>The commands of each group.</summary>
        public List<string> Groups { get; } = [];

        public async Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, CancellationToken lockWait)
        {
            lock (Groups)
                Groups.Add(string.Concat(commands));
            await Commit.Task;
            if (commands.Contains("locked"))
                await Unlock.Task.WaitAsync(lockWait);
            return commands.Contains("poison") ? throw new ArgumentException("This command always fails.")
                : [.. commands.Select(command => new CommandOutcome($"re: {command}"))];
        }
    }
}
