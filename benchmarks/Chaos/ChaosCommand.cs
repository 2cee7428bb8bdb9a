using System.CommandLine;
using System.Diagnostics;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.EndToEnd.Tests.Chaos;

namespace ConcertSaga.Benchmarks.Chaos;

/// <summary>Breaks a cluster in every way for some minutes, and audits it after each round.</summary>
internal static class ChaosCommand
{
    private const string Document = "docs/reliability.md", Section = "chaos";

    public static Command Create()
    {
        var seed = new Option<int?>("--seed") { Description = "Repeats the choices of a run; otherwise they are new." };
        var minutes = new Option<int>("--minutes") { Description = "When the last round begins.", DefaultValueFactory = _ => 60 };
        minutes.Validators.Add(option =>
        {
            if (option.GetValueOrDefault<int>() is < 1 or > 1440)
                option.AddError("--minutes is out of range; allowed: 1 to 1440.");
        });
        var only = new Option<FaultKind[]>("--only")
        {
            Description = "Only faults of this kind; repeatable.",
            AllowMultipleArgumentsPerToken = true
        };
        var write = new Option<bool>("--write") { Description = $"Adds the counts of the run to {Document}." };
        var command = new Command("chaos",
            "Breaks the cluster under load, round after round, and audits it after each. Build the solution in Release first.")
        {
            seed, minutes, only, write
        };
        command.SetAction((parsed, cancellation) => RunAsync(parsed.GetValue(seed) ?? Random.Shared.Next(1_000_000),
            TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(only) ?? [], parsed.GetValue(write), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(
        int seed, TimeSpan duration, FaultKind[] only, bool isWritten, CancellationToken cancellationToken)
    {
        // A container could not be given a clock or a disk of its own.
        Environment.SetEnvironmentVariable("CONCERT_TEST_NO_DOCKER", "1");
        var watch = Stopwatch.StartNew();
        await using var run = new ChaosRun(seed, Console.WriteLine, only);
        try
        {
            while (watch.Elapsed < duration)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await run.RunRoundAsync();
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            var text = exception is Xunit.Sdk.IAssertionException or TimeoutException ? exception.Message : exception.ToString();
            Console.WriteLine($"VIOLATION in round {run.Counts.Rounds + 1} of seed {seed}:\n{text}");
            return 1;
        }
        var row = Row(seed, watch.Elapsed, run.Counts);
        Console.WriteLine($"{Header}\n{row}");
        if (isWritten)
            await MarkedSection.ReplaceAsync(Document, Section, rows => $"{(rows.Length > 0 ? rows : Header + "\n")}{row}");
        return 0;
    }

    private static string Header
    {
        get
        {
            string[] columns =
            [
                "seed", "minutes", "rounds", .. Enum.GetValues<FaultKind>().Select(NameOf), "requests", "reservations",
                "slowest recovery, s"
            ];
            return $"| {string.Join(" | ", columns)} |\n|---|{string.Concat(Enumerable.Repeat("--:|", columns.Length - 1))}";
        }
    }

    private static string Row(int seed, TimeSpan duration, ChaosCounts counts) => $"| {string.Join(" | ",
        [
            seed, $"{duration.TotalMinutes:0}", counts.Rounds,
            .. Enum.GetValues<FaultKind>().Select(kind => (object)counts.Faults.GetValueOrDefault(kind)),
            $"{counts.Requests:#,0}", $"{counts.Reservations:#,0}", $"{counts.SlowestRecovery.TotalSeconds:0.0}"
        ])} |";

    // "disk full" instead of "DiskFull".
    private static string NameOf(FaultKind kind) => string.Concat(kind.ToString().Select((letter, index) =>
        char.IsUpper(letter) ? (index > 0 ? " " : "") + char.ToLowerInvariant(letter) : letter.ToString()));
}
