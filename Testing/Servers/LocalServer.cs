using System.Diagnostics;
using ConcertSaga.Testing.Processes;

namespace ConcertSaga.Testing.Servers;

/// <summary>Runs a server from a locally installed program, with its data in a temporary folder.</summary>
internal sealed class LocalServer : IServerInstance
{
    private GuardedProcess? _process;

    public required string ConnectionString { get; init; }

    public int? ProcessId => Running.ProcessId;

    /// <summary>The folder of the server's data; deleted with the server.</summary>
    public required string Folder { get; init; }

    public required string[] Command { get; init; }

    public required Func<Task<bool>> IsReady { get; init; }

    public Dictionary<string, string?> Environment { get; init; } = [];

    /// <summary>The mount point of a disk of its own; null if it has none.</summary>
    public string? Disk { get; init; }

    /// <summary>The signal for an orderly shutdown; SIGTERM by default.</summary>
    public int StopSignal { get; init; } = 15;

    /// <summary>Creates a new temporary folder.</summary>
    public static string CreateFolder(string server)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"concertsaga-test-{server}-{Guid.CreateVersion7():n}");
        Directory.CreateDirectory(folder);
        return folder;
    }

    /// <summary>Finds a program in the given folders, then in PATH; null if it is in none of them.</summary>
    public static string? Find(string program, params string[] folders) =>
        folders.Concat((System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
            .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    public async Task StartAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
        var process = _process = await GuardedProcess.StartAsync(Command, Environment, Folder, Folder);
        await Eventually.TrueAsync(async () => process.HasExited || await IsReady(), TimeSpan.FromMinutes(2), $"{Command[0]} answers",
            TimeSpan.FromMilliseconds(100));
        if (process.HasExited)
            throw new InvalidOperationException($"{string.Join(' ', Command)} ended during its start:\n{process.Output}");
    }

    public Task StopAsync() => Running.TerminateAsync(TimeSpan.FromMinutes(1), StopSignal);

    public Task KillAsync() => Running.KillAsync();

    public Task PauseAsync()
    {
        Running.Pause();
        return Task.CompletedTask;
    }

    public Task ResumeAsync()
    {
        Running.Resume();
        return Task.CompletedTask;
    }

    public async Task<string> RunAsync(params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        foreach (var (name, value) in Environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{string.Join(' ', command)} ended with {process.ExitCode}: {string.Concat(output)}");
        return output[0];
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
        if (Disk is not null)
            await RunAsync("umount", "--lazy", Disk);
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }

    private GuardedProcess Running => _process ?? throw new InvalidOperationException("The server has not been started.");
}
