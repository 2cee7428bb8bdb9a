namespace ConcertSaga.Testing.Servers;

/// <summary>
/// A server that is chosen and started by the first who asks, once. A start that failed, or the skip of a test that found no server, is
/// told to everybody who asks later, so that a broken machine costs one wait and not one per test.
/// </summary>
internal sealed class SharedServer(Func<Task<IServerInstance>> choose) : IAsyncDisposable
{
    private readonly Lazy<Task<IServerInstance>> _started = new(() => StartAsync(choose));

    public Task<IServerInstance> GetAsync() => _started.Value;

    public async ValueTask DisposeAsync()
    {
        if (_started is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
            await (await _started.Value).DisposeAsync();
    }

    private static async Task<IServerInstance> StartAsync(Func<Task<IServerInstance>> choose)
    {
        var server = await choose();
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
