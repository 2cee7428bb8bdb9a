using Xunit;

namespace ConcertSaga.Testing.Servers;

/// <summary>A server whose address was given. It is not ours, so it is never stopped; tests that need that are skipped.</summary>
internal sealed class GivenServer(string connectionString, string setting) : IServerInstance
{
    public string ConnectionString => connectionString;

    public int? ProcessId => null;

    public Task StartAsync() => Task.CompletedTask;

    public Task StopAsync() => KillAsync();

    public Task KillAsync()
    {
        Assert.Skip($"The server of {setting} is not ours to stop; without {setting} the test starts its own.");
        return Task.CompletedTask;
    }

    public Task RunAsync(params string[] command) => throw new NotSupportedException($"No commands can be run beside the server of {setting}.");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
