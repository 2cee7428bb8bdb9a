using System.Diagnostics;
using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>Measures what operators do among millions of reservations, and the retention beside a sale.</summary>
internal static class OperationsBenchmark
{
    // The generated unfinished reservations wait, so that the sweeper leaves them alone. The walk of the invariants, which would find the
    // rows that other services do not have, pauses.
    private static readonly string[] Settings =
    [
        .. ReservationsBenchmark.FastAdmission, "--Reservation:StepTimeout=01:00:00", "--Reservation:HoldDuration=1.00:00:00",
        "--Reservation:CleaningInterval=1.00:00:00", "--Reservation:RefusedRetention=400.00:00:00", "--Operations:CheckPause=00:01:00",
        "--Queue:PassLifetime=01:00:00"
    ];

    public static async Task<int> RunAsync(OperationsPlan plan, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        await using var cluster = await Cluster.StartAsync(
            Settings, filled => ReservationRows.FillAsync(filled, plan.Rows, cancellationToken));
        await ReservationRows.FillCatalogueAsync(cluster, cancellationToken);
        var machine = await Machine.DescribeAsync(cluster.Database, cluster.Broker);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{plan.Rows:#,0} reservations after {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s"));
        using var client = new OperatorClient(cluster);
        using var sale = new SteadySale(cluster, plan);
        if (plan.Only.Contains(OperationsCommand.Lists))
            await ReportAsync("lists", () => new ListRun(cluster, client, plan).RunAsync(cancellationToken));
        if (plan.Only.Contains(OperationsCommand.Retention))
            await ReportAsync("retention", () => RetentionRun.RunAsync(cluster, sale, plan, Settings, cancellationToken));
        var faults = new List<string>();
        if (plan.Only.Contains(OperationsCommand.Changes))
            await ReportAsync("changes", () => new ChangeRun(cluster, client, sale, plan).RunAsync(faults, cancellationToken));
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        return faults.Count == 0 ? 0 : 1;

        async Task ReportAsync(string part, Func<Task<string>> run)
        {
            var before = Load();
            var result = await run();
            var text = string.Create(CultureInfo.InvariantCulture, $"""
                {machine}
                {plan.Rows:#,0} reservations. Load of the machine (running threads, average of a minute): {before} at the beginning,
                {Load()} at the end.

                {result}
                """);
            Console.WriteLine(text);
            if (plan.Write)
                await PerformanceDocument.WriteAsync($"operations-{part}", text);
        }
    }

    private static string Load() => File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
}
