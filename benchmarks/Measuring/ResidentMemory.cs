using System.Diagnostics;
using System.Globalization;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>Memory a process of this machine has in use.</summary>
internal static class ResidentMemory
{
    /// <summary>In megabytes.</summary>
    public static double Of(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.WorkingSet64 / 1048576.0;
    }

    /// <summary>The most it has had in use so far, in megabytes.</summary>
    public static double PeakOf(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.PeakWorkingSet64 / 1048576.0;
    }

    /// <summary>What is the process's own and of no file, in bytes.</summary>
    public static double PrivateOf(int processId) => 1024 * double.Parse(
        File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith("RssAnon:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
