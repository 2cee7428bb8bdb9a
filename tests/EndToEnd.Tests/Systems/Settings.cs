namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Turns settings of the product into command line arguments.</summary>
internal static class Settings
{
    public static IEnumerable<string> Arguments(IReadOnlyDictionary<string, string> settings, FaultFile? faults = null) =>
        settings.OrderBy(setting => setting.Key, StringComparer.Ordinal).Select(setting => $"--{setting.Key}={setting.Value}")
            .Concat(faults is not null && settings.ContainsKey("Faults:Enabled") ? [$"--Faults:File={faults.Path}"] : [])
            // Every customer signs in from this machine.
            .Concat(["--RateLimits:SignIn:PerSecond=100000", "--RateLimits:SignIn:Burst=100000"])
            // Only tests of the waiting room wait in it.
            .Concat(new[] { ("Queue:Capacity", "100000"), ("Queue:BatchSize", "10000"), ("Queue:Interval", "00:00:00.1") }
                .Where(ours => !settings.ContainsKey(ours.Item1)).Select(ours => $"--{ours.Item1}={ours.Item2}"));

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
