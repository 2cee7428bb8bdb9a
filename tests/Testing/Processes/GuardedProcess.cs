using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace ConcertSaga.Testing.Processes;

/// <summary>
/// A child process that never outlives the test process. A small shell sits between them and holds one end of a pipe; when the test process
/// ends, however it ends, the pipe closes and the shell kills the child's process group and removes its folder.
/// </summary>
public sealed class GuardedProcess : IAsyncDisposable
{
    // The child says its own id first and then becomes the program, so the id is exactly that of the program.
    private const string Guard = """
        folder=$1; shift
        exec 3<&0
        setsid sh -c 'echo $$; exec "$@"' guarded "$@" </dev/null 3<&- &
        child=$!
        (
          read -r _ <&3
          trap '' TERM
          kill -9 -$child
          [ -z "$folder" ] || { sleep 1; rm -rf -- "$folder"; }
        ) >/dev/null 2>&1 &
        guard=$!
        wait $child; code=$?
        kill -TERM $guard 2>/dev/null
        kill -9 -$child 2>/dev/null
        exit $code
        """;

    private readonly Process _guard;
    private readonly StringBuilder _output = new();
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource<int> _processId = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private GuardedProcess(Process guard) => _guard = guard;

    /// <summary>The child's id.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _guard.HasExited;

    /// <summary>What the child wrote to its standard output and error so far.</summary>
    public string Output
    {
        get
        {
            lock (_gate)
                return _output.ToString();
        }
    }

    /// <summary>Starts a program.</summary>
    /// <param name="command">Program and arguments.</param>
    /// <param name="environment">Added to the environment; null removes a variable.</param>
    /// <param name="workingDirectory">Where it starts.</param>
    /// <param name="folder">Removed when the test process dies; null for none.</param>
    public static async Task<GuardedProcess> StartAsync(
        IEnumerable<string> command, IEnumerable<KeyValuePair<string, string?>> environment, string workingDirectory, string? folder = null)
    {
        var start = new ProcessStartInfo("setsid", ["sh", "-c", Guard, "guard", folder ?? "", .. command])
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        var process = new GuardedProcess(new Process { StartInfo = start });
        process._guard.OutputDataReceived += (_, line) => process.Take(line.Data);
        process._guard.ErrorDataReceived += (_, line) => process.Note(line.Data);
        process._guard.Start();
        process._guard.BeginOutputReadLine();
        process._guard.BeginErrorReadLine();
        process.ProcessId = await process._processId.Task.WaitAsync(TimeSpan.FromSeconds(30));
        return process;
    }

    /// <summary>Ends the whole process group at once, as <c>kill -9</c> does, and waits until the children have gone too.</summary>
    public async Task KillAsync()
    {
        var family = Children.Of(ProcessId);
        _ = SendSignal(-ProcessId, 9);
        foreach (var child in family)
            _ = SendSignal(child, 9);
        await ExitAsync(TimeSpan.FromSeconds(30));
        await Eventually.TrueAsync(() => family.All(child => !Directory.Exists($"/proc/{child}")), TimeSpan.FromSeconds(30), "the children end");
    }

    /// <summary>Asks the process to end, and waits.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> TerminateAsync(TimeSpan limit, int signal = 15)
    {
        if (!HasExited)
            _ = SendSignal(ProcessId, signal);
        return await ExitAsync(limit);
    }

    /// <summary>Waits until the process has ended by itself.</summary>
    public async Task<int> ExitAsync(TimeSpan limit)
    {
        using var cancellation = new CancellationTokenSource(limit);
        try
        {
            await _guard.WaitForExitAsync(cancellation.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"Process {ProcessId} did not end within {limit.TotalSeconds:0} s. Its output:\n{Output}");
        }
        return _guard.ExitCode;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (!HasExited)
            await KillAsync();
        _guard.Dispose();
    }

    private void Take(string? line)
    {
        if (line is not null && !_processId.Task.IsCompleted && int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            _processId.SetResult(id);
        else
            Note(line);
    }

    private void Note(string? line)
    {
        if (line is null)
            return;
        lock (_gate)
            _output.AppendLine(line);
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int processId, int signal);
}
