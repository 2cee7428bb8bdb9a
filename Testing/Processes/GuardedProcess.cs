using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace ConcertSaga.Testing.Processes;

/// <summary>
/// Runs a child process that never outlives the test process. A small shell between them reads a pipe. However the test process ends, the
/// pipe closes, and the shell kills the child's process group and children, and deletes its folder.
/// </summary>
public sealed class GuardedProcess : IAsyncDisposable
{
    // The child prints its id and then replaces itself by the program, so the program has the same id.
    private const string Guard = """
        folder=$1; shift
        exec 3<&0
        setsid sh -c 'echo $$; exec "$@"' guarded "$@" </dev/null 3<&- &
        child=$!
        (
          read -r _ <&3
          trap '' TERM
          family=$(cat /proc/$child/task/*/children)
          kill -9 -$child $family
          [ -z "$folder" ] || { sleep 1; umount --lazy "$folder"/disk 2>&1; rm -rf -- "$folder"; }
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

    /// <summary>The id of the child process.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _guard.HasExited;

    /// <summary>The child's standard output and error so far.</summary>
    public string Output
    {
        get
        {
            lock (_gate)
                return _output.ToString();
        }
    }

    /// <summary>Starts a program.</summary>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="environment">Additional environment variables; null removes a variable.</param>
    /// <param name="workingDirectory">The working directory.</param>
    /// <param name="folder">A folder to delete when the test process dies; null for none.</param>
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
        process._guard.OutputDataReceived += (_, line) => process.ReadFirstLine(line.Data);
        process._guard.ErrorDataReceived += (_, line) => process.AppendOutput(line.Data);
        process._guard.Start();
        process._guard.BeginOutputReadLine();
        process._guard.BeginErrorReadLine();
        process.ProcessId = await process._processId.Task.WaitAsync(TimeSpan.FromSeconds(30));
        return process;
    }

    /// <summary>Stops it and its descendants with SIGSTOP until <see cref="Resume"/>.</summary>
    public void Pause()
    {
        var stopped = new HashSet<int>();
        // Parents first, until none of them has started another child meanwhile.
        while (Children.Of(ProcessId).Prepend(ProcessId).Where(stopped.Add).ToArray() is { Length: > 0 } running)
            Array.ForEach(running, process => _ = SendSignal(process, 19));
    }

    /// <summary>Lets it and its descendants go on after <see cref="Pause"/>.</summary>
    public void Resume()
    {
        foreach (var process in Children.Of(ProcessId).Prepend(ProcessId))
            _ = SendSignal(process, 18);
    }

    /// <summary>Kills the whole process group with SIGKILL, and waits until its descendants have ended too.</summary>
    public async Task KillAsync()
    {
        var family = Children.Of(ProcessId);
        _ = SendSignal(-ProcessId, 9);
        foreach (var child in family)
            _ = SendSignal(child, 9);
        await ExitAsync(TimeSpan.FromSeconds(30));
        await Eventually.TrueAsync(() => family.All(child => !Directory.Exists($"/proc/{child}")), TimeSpan.FromSeconds(30),
            "the descendants end");
    }

    /// <summary>Sends a signal to the process, SIGTERM by default, and waits for its end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> TerminateAsync(TimeSpan limit, int signal = 15)
    {
        if (!HasExited)
            _ = SendSignal(ProcessId, signal);
        return await ExitAsync(limit);
    }

    /// <summary>Waits until the process has ended on its own.</summary>
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

    /// <summary>Closes the pipe, as the end of this process would.</summary>
    public void Abandon() => _guard.StandardInput.Close();

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (!HasExited)
            await KillAsync();
        _guard.Dispose();
    }

    private void ReadFirstLine(string? line)
    {
        if (line is not null && !_processId.Task.IsCompleted
            && int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            _processId.SetResult(id);
        else
            AppendOutput(line);
    }

    private void AppendOutput(string? line)
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
