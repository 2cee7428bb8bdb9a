namespace ConcertSaga.Testing.Servers;

/// <summary>A server at a given address, in a container, or as a local process.</summary>
internal interface IServerInstance : IAsyncDisposable
{
    /// <summary>The connection string; the same after a restart.</summary>
    string ConnectionString { get; }

    /// <summary>The id of its local process; null for a container or a given address.</summary>
    int? ProcessId { get; }

    Task StartAsync();

    Task StopAsync();

    Task KillAsync();

    Task PauseAsync();

    Task ResumeAsync();

    /// <summary>Runs an administration command on the server's machine.</summary>
    /// <returns>The standard output of the command.</returns>
    Task<string> RunAsync(params string[] command);
}
