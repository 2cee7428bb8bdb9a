namespace ConcertSaga.Testing.Servers;

/// <summary>A server that runs in one of three ways: somewhere else already, in a container, or as a local process.</summary>
internal interface IServerInstance : IAsyncDisposable
{
    /// <summary>Where it answers; the same after it was stopped or killed and started again.</summary>
    string ConnectionString { get; }

    /// <summary>The id of its process on this machine; null where it runs somewhere else or in a container.</summary>
    int? ProcessId { get; }

    Task StartAsync();

    Task StopAsync();

    Task KillAsync();

    /// <summary>Runs an administration command beside the server.</summary>
    Task RunAsync(params string[] command);
}
