namespace ConcertSaga.Testing.Processes;

/// <summary>Runs one of the product's programs as a separate process.</summary>
public sealed class ServiceProcess : IAsyncDisposable
{
    private static readonly HttpClient Http =
        new(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(2) }) { Timeout = TimeSpan.FromSeconds(10) };

    // A start uses all of the machine, so it is rarely asked whether it is ready.
    private static readonly TimeSpan ReadinessPause = TimeSpan.FromMilliseconds(100);

    private readonly string _project;
    private readonly string[] _arguments;
    private readonly Dictionary<string, string?> _environment;
    private readonly List<GuardedProcess> _runs = [];

    private ServiceProcess(string project, string[] arguments, Dictionary<string, string?> environment, Uri address)
    {
        _project = project;
        _arguments = arguments;
        _environment = environment;
        Address = address;
    }

    /// <summary>The address on which it listens; the same after a restart.</summary>
    public Uri Address { get; }

    /// <summary>The id of the running process.</summary>
    public int ProcessId => _runs[^1].ProcessId;

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _runs[^1].HasExited;

    /// <summary>The output of all runs.</summary>
    public string Output => string.Concat(_runs.Select(run => run.Output));

    /// <summary>Starts a program and waits until it is ready.</summary>
    /// <param name="project">The project's folder, such as <c>Services/Payments</c>.</param>
    /// <param name="arguments">The arguments, without <c>--urls</c>.</param>
    /// <param name="environment">Additional environment variables; null removes a variable.</param>
    /// <param name="address">The address to listen on; a free port on loopback by default.</param>
    /// <param name="limit">The time limit for readiness; one minute by default.</param>
    public static async Task<ServiceProcess> StartAsync(
        string project, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, Uri? address = null,
        TimeSpan? limit = null)
    {
        var service = new ServiceProcess(project, [.. arguments], (environment ?? new Dictionary<string, string?>()).ToDictionary(),
            address ?? new Uri($"http://127.0.0.1:{LoopbackPort.Free()}"));
        try
        {
            await service.StartAgainAsync(limit);
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
        return service;
    }

    /// <summary>Runs a program that ends on its own, such as <c>migrate</c> or a start that fails.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        string project, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, TimeSpan? limit = null)
    {
        await using var run = await LaunchAsync(project, arguments, environment ?? new Dictionary<string, string?>());
        return (await run.ExitAsync(limit ?? TimeSpan.FromMinutes(2)), run.Output);
    }

    /// <summary>Restarts it after <see cref="KillAsync"/> or <see cref="StopAsync"/>, and waits until it is ready.</summary>
    public async Task StartAgainAsync(TimeSpan? limit = null)
    {
        var run = await LaunchAsync(_project, [.. _arguments, $"--urls={Address.GetLeftPart(UriPartial.Authority)}"], _environment);
        _runs.Add(run);
        await Eventually.TrueAsync(async () => run.HasExited || await IsReadyAsync(),
            limit ?? TimeSpan.FromMinutes(2), $"{_project} is ready", ReadinessPause);
        if (run.HasExited)
            throw new InvalidOperationException(
                $"{_project} ended during its start with code {await run.ExitAsync(TimeSpan.FromSeconds(5))}:\n{run.Output}");
    }

    /// <summary>Sets an environment variable for the next start.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">Its value; null removes the variable.</param>
    public void Set(string name, string? value) => _environment[name] = value;

    /// <summary>Kills it with SIGKILL.</summary>
    public Task KillAsync() => _runs[^1].KillAsync();

    /// <summary>Stops it with SIGSTOP until <see cref="Resume"/>.</summary>
    public void Pause() => _runs[^1].Pause();

    /// <summary>Lets it go on after <see cref="Pause"/>.</summary>
    public void Resume() => _runs[^1].Resume();

    /// <summary>Sends SIGTERM and waits for its end.</summary>
    /// <returns>The exit code.</returns>
    public Task<int> StopAsync(TimeSpan? limit = null) => _runs[^1].TerminateAsync(limit ?? TimeSpan.FromSeconds(45));

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        foreach (var run in _runs)
            await run.DisposeAsync();
    }

    private async Task<bool> IsReadyAsync()
    {
        using var response = await Http.GetAsync(new Uri(Address, "/health/ready"));
        return response.IsSuccessStatusCode;
    }

    private static Task<GuardedProcess> LaunchAsync(string project, IEnumerable<string> arguments,
        IEnumerable<KeyValuePair<string, string?>> environment)
    {
        var program = Repository.ProgramOf(project);
        // The program looks for its settings file in the working directory.
        return GuardedProcess.StartAsync(["dotnet", program, .. arguments], environment, Path.GetDirectoryName(program)!);
    }
}
