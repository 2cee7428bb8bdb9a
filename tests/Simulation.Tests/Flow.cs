namespace ConcertSaga.Simulation.Tests;

/// <summary>The process of a flow was killed.</summary>
internal sealed class KilledException() : Exception("The process was killed.");

/// <summary>
/// A handler or a call in progress. It stops before each statement and after each commit, until the story lets it go on or kills its
/// process. The story and all its flows share one thread, so a story is repeated exactly.
/// </summary>
internal sealed class Flow(string process, string name)
{
    private static readonly AsyncLocal<Flow?> Running = new();

    private TaskCompletionSource? _stop;
    private Func<bool>? _until;
    private bool _isKilled;

    /// <summary>The flow of the caller; null outside of one.</summary>
    public static Flow? Current => Running.Value;

    public string Process { get; } = process;

    /// <summary>Where the flow is, for the story of a failure.</summary>
    public string? Place { get; private set; }

    public Task Work { get; private set; } = Task.CompletedTask;

    /// <summary>Runs with the next commit of the flow, as a part of it.</summary>
    public Action? Committing { get; set; }

    public bool CanGoOn => _stop is not null && (_until is null || _until());

    public override string ToString() => $"{Process} {name}";

    /// <summary>Begins the work and returns at its first stop.</summary>
    public void Start(Func<Task> work)
    {
        Work = RunAsync();

        async Task RunAsync()
        {
            Running.Value = this;
            await work();
        }
    }

    /// <summary>Stops the flow until <see cref="GoOn"/>, which is possible as soon as the condition holds.</summary>
    public Task StopAsync(string place, Func<bool>? until = null)
    {
        if (_isKilled)
            throw new KilledException();
        Place = place;
        _until = until;
        // Continues on the thread that lets it go on.
        _stop = new TaskCompletionSource();
        return _stop.Task;
    }

    public void GoOn() => Take().SetResult();

    public void Kill()
    {
        _isKilled = true;
        if (_stop is not null)
            Take().SetException(new KilledException());
    }

    private TaskCompletionSource Take()
    {
        var stop = _stop!;
        _stop = null;
        return stop;
    }
}
