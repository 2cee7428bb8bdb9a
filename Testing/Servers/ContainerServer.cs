using Docker.DotNet;
using Docker.DotNet.Models;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;

namespace ConcertSaga.Testing.Servers;

/// <summary>Runs a server in a container of Testcontainers.</summary>
internal sealed class ContainerServer(IContainer container, string connectionString, Func<Task<bool>> isReady) : IServerInstance
{
    private static readonly Lazy<Task<bool>> DockerAnswers = new(PingDockerAsync);

    public string ConnectionString => connectionString;

    public int? ProcessId => null;

    /// <summary>Whether a Docker API answers. <c>CONCERT_TEST_NO_DOCKER=1</c> disables Docker.</summary>
    public static Task<bool> IsPossibleAsync() => DockerAnswers.Value;

    public async Task StartAsync()
    {
        await container.StartAsync();
        await Eventually.TrueAsync(isReady, TimeSpan.FromMinutes(2), $"the server in container {container.Name} answers");
    }

    public Task StopAsync() => container.StopAsync();

    public async Task KillAsync()
    {
        using var docker = Connect();
        await docker.Containers.KillContainerAsync(container.Id, new ContainerKillParameters { Signal = "KILL" });
        await Eventually.TrueAsync(
            async () => (await docker.Containers.InspectContainerAsync(container.Id)).State is not { Running: true },
            TimeSpan.FromSeconds(30), "the container has ended");
    }

    public Task PauseAsync() => container.PauseAsync();

    public Task ResumeAsync() => container.UnpauseAsync();

    public async Task<string> RunAsync(params string[] command)
    {
        var result = await container.ExecAsync(command);
        if (result.ExitCode != 0)
            throw new InvalidOperationException(
                $"{string.Join(' ', command)} ended with {result.ExitCode}: {result.Stdout}{result.Stderr}");
        return result.Stdout;
    }

    public ValueTask DisposeAsync() => container.DisposeAsync();

    private static DockerClient Connect() => TestcontainersSettings.OS.DockerEndpointAuthConfig.GetDockerClientBuilder(Guid.Empty).Build();

    private static async Task<bool> PingDockerAsync()
    {
        if (Environment.GetEnvironmentVariable("CONCERT_TEST_NO_DOCKER") == "1")
            return false;
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            using var docker = Connect();
            await docker.System.PingAsync(limit.Token);
            return true;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // The exception type depends on the kind of address. Any of them means that Docker is unavailable.
            return false;
        }
    }
}
