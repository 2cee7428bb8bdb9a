using System.Diagnostics;
using System.Runtime.InteropServices;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>The work of a separate process.</summary>
public enum Role
{
    /// <summary>Consumes messages.</summary>
    Consumer,

    /// <summary>Saves one unit of work with three messages after another.</summary>
    Producer
}

/// <summary>A separate process with inbox and outbox over RabbitMQ, which a test can kill.</summary>
public sealed class Victim : IAsyncDisposable
{
    /// <summary>The argument that makes the test program run as this process.</summary>
    public const string Command = "victim";

    /// <summary>The duration of the handler, long enough for another process to handle a copy at the same time.</summary>
    public static readonly TimeSpan Work = TimeSpan.FromMilliseconds(200);

    private const string Ready = "ready";
    private const string Handled = "handled ";
    private readonly GuardedProcess _process;

    private Victim(GuardedProcess process) => _process = process;

    public int ProcessId => _process.ProcessId;

    public string Output => _process.Output;

    /// <summary>Returns how often the handler ran for a message, with or without effect.</summary>
    public int HandledFor(Guid id) => Output.Split('\n').Count(line => line.TrimEnd() == $"{Handled}{id}");

    /// <summary>The processor time that the process has used.</summary>
    public TimeSpan ProcessorTime => Process.GetProcessById(ProcessId).TotalProcessorTime;

    /// <summary>Starts the process and waits until it consumes.</summary>
    /// <param name="database">The database of the process.</param>
    /// <param name="broker">The address of the broker.</param>
    /// <param name="role">The work of the process.</param>
    /// <param name="point">The point at which the process kills itself, or null.</param>
    public static async Task<Victim> StartAsync(TestDatabase database, string broker, Role role = Role.Consumer, CrashPoint? point = null)
    {
        var process = await GuardedProcess.StartAsync(
            ["dotnet", typeof(Victim).Assembly.Location, Command, $"{database.Store}", database.Address, broker, $"{role}", $"{point}"],
            // The test runner's hooks and profilers must not load into this process.
            [new("DOTNET_STARTUP_HOOKS", null), new("CORECLR_ENABLE_PROFILING", null)], AppContext.BaseDirectory);
        var victim = new Victim(process);
        await Eventually.TrueAsync(() => process.HasExited
            || victim.Output.Contains(Ready, StringComparison.Ordinal), TimeSpan.FromSeconds(60), "the process is ready");
        return victim.Output.Contains(Ready, StringComparison.Ordinal) ? victim
            : throw new InvalidOperationException($"The process ended at its start: {victim.Output}");
    }

    /// <summary>Waits until the process has killed itself, and returns its exit code.</summary>
    public async Task<int> ExitAsync() => await _process.ExitAsync(TimeSpan.FromSeconds(60));

    public Task KillAsync() => _process.KillAsync();

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    /// <summary>Runs as the separate process.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var database = TestDatabase.At(Enum.Parse<Store>(args[0]), args[1]);
        var (broker, role, script) = (args[2], Enum.Parse<Role>(args[3]), new Script());
        script.Write = async (_, message, _) =>
        {
            await Console.Out.WriteLineAsync($"{Handled}{message.Id}");
            await Task.Delay(Work);
        };
        if (args[4].Length > 0)
        {
            var crash = new Crash(Enum.Parse<CrashPoint>(args[4]), () => _ = SendSignal(Environment.ProcessId, 9));
            crash.Attach(script);
            broker = new AmqpTap(broker, crash.OnAcknowledgementAsync).Address;
        }
        await using var host = await OutboxHost.StartAsync(database, broker: broker, script: script, parts: Parts.Worker);
        await Console.Out.WriteLineAsync(Ready);
        if (role == Role.Producer)
            await ProduceAsync(host);
        await Task.Delay(Timeout.InfiniteTimeSpan);
        return 0;
    }

    /// <summary>Saves a unit of work with one row and three messages.</summary>
    public static async Task SaveUnitAsync(OutboxHost host, Guid id)
    {
        await using var unit = new UnitOfWork(host);
        unit.Database.Notes.Add(new Note { About = id });
        for (var number = 1; number <= 3; number++)
            await unit.PublishAsync(new NoteWritten(id, number));
        await unit.SaveAsync();
    }

    private static async Task ProduceAsync(OutboxHost host)
    {
        while (true)
        {
            await SaveUnitAsync(host, Guid.CreateVersion7());
            await Task.Delay(1);
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int processId, int signal);
}
