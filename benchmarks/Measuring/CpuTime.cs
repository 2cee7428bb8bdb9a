using System.Globalization;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>User and system time of processes on this machine, counted by the kernel in hundredths of a second.</summary>
internal static class CpuTime
{
    private const double MillisecondsPerTick = 10;

    // Field numbers after the process name, which stands in brackets and may contain spaces.
    private const int Parent = 1, User = 11, System = 12, UserOfEnded = 13, SystemOfEnded = 14;

    /// <summary>Milliseconds a process has used; NaN if it does not run on this machine.</summary>
    public static double Of(int? processId) =>
        processId is { } id && Read(id) is { } stat ? (stat[User] + stat[System]) * MillisecondsPerTick : double.NaN;

    /// <summary>The same, including running and ended children: PostgreSQL starts one process per connection.</summary>
    public static double OfFamily(int? processId)
    {
        if (processId is not { } id || Read(id) is not { } stat)
            return double.NaN;
        var ended = stat[UserOfEnded] + stat[SystemOfEnded];
        var running = Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var other)
                ? Read(other) : null)
            .Where(other => other is not null && (int)other[Parent] == id)
            .Sum(other => other![User] + other[System]);
        return (stat[User] + stat[System] + ended + running) * MillisecondsPerTick;
    }

    private static double[]? Read(int processId)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            return [.. stat[(stat.LastIndexOf(')') + 2)..].Split(' ')
                .Select(field => double.TryParse(field, CultureInfo.InvariantCulture, out var number) ? number : 0)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The process ended after it was listed.
            return null;
        }
    }
}
