using System.Diagnostics;
using System.Globalization;

namespace ConcertSaga.EndToEnd.Tests.Chaos;

/// <summary>
/// The clocks of all parts, each set by a file that <c>libfaketime</c> reads again every other second. Monotonic clocks, and with them
/// timers, stay right.
/// </summary>
internal sealed class Clocks : IDisposable
{
    private static readonly string[] Libraries =
    [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib64/faketime/libfaketimeMT.so.1"
    ];

    // The library reads the file again when more than a whole second has passed.
    private static readonly TimeSpan ReadInterval = TimeSpan.FromSeconds(2.5);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("concertsaga-e2e-clocks-");
    private readonly string _library;

    private Clocks(string library)
    {
        _library = library;
        // The database server runs as another user.
        if (!OperatingSystem.IsWindows())
            _folder.UnixFileMode |= UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    }

    /// <summary>Returns clocks that can be set, or null without the library.</summary>
    public static Clocks? Find() => Array.Find(Libraries, File.Exists) is { } library ? new Clocks(library) : null;

    /// <summary>The environment variables that let a part use its clock.</summary>
    public Dictionary<string, string?> VariablesOf(string part)
    {
        var file = FileOf(part);
        if (!File.Exists(file))
            File.WriteAllText(file, "+0");
        return new()
        {
            ["LD_PRELOAD"] = _library,
            ["FAKETIME_TIMESTAMP_FILE"] = file,
            ["FAKETIME_CACHE_DURATION"] = "1",
            ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
            // The name of the setting before 0.9.8.
            ["DONT_FAKE_MONOTONIC"] = "1",
            // Otherwise waits with a limit end at once, and idle threads of .NET spin.
            ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0"
        };
    }

    /// <summary>Sets how many seconds a clock is ahead of the right time, and returns when its part has read that.</summary>
    public async Task SetAsync(string part, double offset)
    {
        await WriteAsync(part, offset);
        await Task.Delay(ReadInterval);
    }

    /// <summary>Lets a clock go faster or slower, until the token is cancelled.</summary>
    /// <remarks>The library has rates of its own, but counts them from the start of the process and does not end them.</remarks>
    public async Task DriftAsync(string part, double rate, CancellationToken end)
    {
        var watch = Stopwatch.StartNew();
        while (!end.IsCancellationRequested)
        {
            await WriteAsync(part, (rate - 1) * watch.Elapsed.TotalSeconds);
            await Task.WhenAny(Task.Delay(TimeSpan.FromSeconds(1), end));
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _folder.Delete(recursive: true);
        // Each process that was killed has left two.
        foreach (var left in Directory.EnumerateFiles("/dev/shm", "*faketime_*"))
        {
            if (int.TryParse(left.Split('_')[^1], CultureInfo.InvariantCulture, out var process) && !Directory.Exists($"/proc/{process}"))
                File.Delete(left);
        }
    }

    private async Task WriteAsync(string part, double offset)
    {
        var next = FileOf(part) + ".next";
        await File.WriteAllTextAsync(next, offset.ToString("+0.000;-0.000", CultureInfo.InvariantCulture));
        File.Move(next, FileOf(part), overwrite: true);
    }

    private string FileOf(string part) => Path.Combine(_folder.FullName, part.Replace('/', '-'));
}
