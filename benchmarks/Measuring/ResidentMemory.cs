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

    /// <summary>The most it ever was, in megabytes.</summary>
    public static double PeakOf(int processId) => Status(processId, "VmHWM:") / 1024;

    /// <summary>What is the process's own and of no file, in bytes.</summary>
    public static double PrivateOf(int processId) => 1024 * Status(processId, "RssAnon:");

    // In kilobytes.
    private static double Status(int processId, string field) => double.Parse(
        File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith(field, StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
