namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Turns settings of the product into command line arguments.</summary>
internal static class Settings
{
    // Settings of the tests for all systems, unless a class sets its own.
    private static readonly (string Key, string Value)[] Defaults =
    [
        // Only tests of the waiting room wait in it.
        ("Queue:Capacity", "100000"), ("Queue:BatchSize", "10000"), ("Queue:Interval", "00:00:00.1"),
        // The relay tries again soon after an outage, and an operation continues soon after a kill.
        ("DataPlatform:BreakerPause", "00:00:01"), ("Operations:LeaseDuration", "00:00:05")
    ];

    /// <summary>What all classes with faults and kills set, so that a process restarts only for settings of its own.</summary>
    public static readonly (string Key, string Value)[] OfFaults =
    [
        ("Faults:Enabled", "true"),
        // The leases of a killed relay expire before the books are checked.
        ("DataPlatform:LeaseDuration", "00:00:10"), ("DataPlatform:Timeout", "00:00:03")
    ];

    /// <summary>A hold that ends during a test.</summary>
    public static readonly (string Key, string Value) ShortHold = ("Reservation:HoldDuration", "00:00:08");

    public static IEnumerable<string> Arguments(IReadOnlyDictionary<string, string> settings, FaultFile? faults = null) =>
        settings.OrderBy(setting => setting.Key, StringComparer.Ordinal).Select(setting => $"--{setting.Key}={setting.Value}")
            .Concat(faults is not null && settings.ContainsKey("Faults:Enabled") ? [$"--Faults:File={faults.Path}"] : [])
            // Every customer signs in from this machine.
            .Concat(["--RateLimits:SignIn:PerSecond=100000", "--RateLimits:SignIn:Burst=100000"])
            .Concat(Defaults.Where(ours => !settings.ContainsKey(ours.Key)).Select(ours => $"--{ours.Key}={ours.Value}"));

    public static bool AreEqual(IReadOnlyDictionary<string, string> first, IReadOnlyDictionary<string, string> second) =>
        Arguments(first).SequenceEqual(Arguments(second));

    /// <summary>Checks that a process that was asked to end has ended orderly.</summary>
    public static void CheckExit(string part, int code, string output)
    {
        if (code != 0)
            throw new InvalidOperationException($"{part} ended with {code} when it was asked to end:\n{output}");
    }

    /// <summary>Saves the output of a process in the folder <c>CONCERT_TEST_LOGS</c>, to analyse failures.</summary>
    public static void KeepLog(string part, string output)
    {
        if (Environment.GetEnvironmentVariable("CONCERT_TEST_LOGS") is { Length: > 0 } folder)
            File.AppendAllText(Path.Combine(Directory.CreateDirectory(folder).FullName, part.Replace('/', '-') + ".log"), output);
    }
}
