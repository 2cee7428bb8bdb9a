using System.Diagnostics;

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
}
