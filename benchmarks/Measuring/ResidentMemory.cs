using System.Diagnostics;
using System.Globalization;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>Memory of a process on this machine.</summary>
internal static class ResidentMemory
{
    /// <summary>Resident megabytes.</summary>
    public static double Of(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.WorkingSet64 / 1048576.0;
    }

    /// <summary>The maximum so far, in megabytes.</summary>
    public static double PeakOf(int processId) => Kilobytes(processId, "VmHWM:") / 1024;

    /// <summary>Bytes that belong to no file.</summary>
    public static double PrivateOf(int processId) => 1024 * Kilobytes(processId, "RssAnon:");

    private static double Kilobytes(int processId, string field) => double.Parse(
        File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith(field, StringComparison.Ordinal))
            .Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
