using System.Globalization;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>Processor time of processes of this machine, as the kernel counts it: in hundredths of a second, user and system together.</summary>
internal static class CpuTime
{
    private const double MillisecondsPerTick = 10;

    // Counted behind the name in brackets, which may hold anything: state, parent, and so on.
    private const int Parent = 1, User = 11, System = 12, UserOfEnded = 13, SystemOfEnded = 14;

    /// <summary>Milliseconds a process has used; not a number where it is not on this machine.</summary>
    public static double Of(int? processId) =>
        processId is { } id && Read(id) is { } stat ? (stat[User] + stat[System]) * MillisecondsPerTick : double.NaN;

    /// <summary>The same with its children, those that have ended included: PostgreSQL is one process for each connection.</summary>
    public static double OfFamily(int? processId)
    {
        if (processId is not { } id || Read(id) is not { } stat)
            return double.NaN;
        var ended = stat[UserOfEnded] + stat[SystemOfEnded];
        var running = Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var other) ? Read(other) : null)
            .Where(other => other is not null && (int)other[Parent] == id)
            .Sum(other => other![User] + other[System]);
        return (stat[User] + stat[System] + ended + running) * MillisecondsPerTick;
    }

    private static double[]? Read(int processId)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            return [.. stat[(stat.LastIndexOf(')') + 2)..].Split(' ').Select(field => double.TryParse(field, CultureInfo.InvariantCulture, out var number) ? number : 0)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It has ended between the listing and the look.
            return null;
        }
    }
}
