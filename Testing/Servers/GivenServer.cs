namespace ConcertSaga.Testing.Servers;

/// <summary>Uses a server at a given address. Tests that need to stop the server are skipped.</summary>
internal sealed class GivenServer(string connectionString, string setting) : IServerInstance
{
    public string ConnectionString => connectionString;

    public int? ProcessId => null;

    public Task StartAsync() => Task.CompletedTask;

    public Task StopAsync() => KillAsync();

    public Task KillAsync() => throw new MissingServerException(
        $"A test must not stop the server that {setting} names. Unset {setting} to let the test start its own.");

    public Task PauseAsync() => KillAsync();

    public Task ResumeAsync() => KillAsync();

    public Task<string> RunAsync(params string[] command) =>
        throw new NotSupportedException($"Administration commands cannot run on the server of {setting}.");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
