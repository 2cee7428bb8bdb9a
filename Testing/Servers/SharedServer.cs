namespace ConcertSaga.Testing.Servers;

/// <summary>
/// Provides a server for tests. It chooses and starts the server once, on first use. Later uses receive the same server or the same
/// failure, so a broken machine costs one wait and not one per test.
/// </summary>
public abstract class SharedServer : IAsyncDisposable
{
    private readonly Lazy<Task<IServerInstance>> _started;

    /// <summary>Additional environment variables of a local server.</summary>
    public IReadOnlyDictionary<string, string?> Variables { get; init; } = new Dictionary<string, string?>();

    /// <summary>Starts nothing; the first use starts the server.</summary>
    private protected SharedServer() => _started = new(ChooseAndStartAsync);

    /// <summary>Returns the address of the server, as its administrator uses it.</summary>
    public async Task<string> ConnectionStringAsync() => (await GetAsync()).ConnectionString;

    /// <summary>Returns the id of the server's local process; null for a container or a given address.</summary>
    public async Task<int?> ProcessIdAsync() => (await GetAsync()).ProcessId;

    /// <summary>Kills the server with SIGKILL. What it has confirmed is present after <see cref="StartAsync"/>.</summary>
    public async Task KillAsync() => await (await GetAsync()).KillAsync();

    /// <summary>Stops the server where it is, until <see cref="ResumeAsync"/>.</summary>
    public async Task PauseAsync() => await (await GetAsync()).PauseAsync();

    /// <summary>Lets the server go on after <see cref="PauseAsync"/>.</summary>
    public async Task ResumeAsync() => await (await GetAsync()).ResumeAsync();

    /// <summary>Shuts the server down in an orderly way.</summary>
    public async Task StopAsync() => await (await GetAsync()).StopAsync();

    /// <summary>Restarts the server at the same address with the same data.</summary>
    public async Task StartAsync() => await (await GetAsync()).StartAsync();

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_started is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
            await (await _started.Value).DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected Task<IServerInstance> GetAsync() => _started.Value;

    /// <summary>Chooses the server that this machine can run.</summary>
    private protected abstract Task<IServerInstance> ChooseAsync();

    private async Task<IServerInstance> ChooseAndStartAsync()
    {
        var server = await ChooseAsync();
        try
        {
            await server.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }
}
