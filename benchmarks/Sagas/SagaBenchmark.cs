using System.Text;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// Runs the variants in interleaved rounds and reports medians. Each variant has its own process, database and virtual host on the same
/// servers. After each round, the benchmark checks the totals in its database.
/// </summary>
internal static class SagaBenchmark
{
    public const int MessagesPerSaga = 7;

    // Bare keeps a connection per handler; with more of them, the documented programs beside it would reach the server's limit.
    private const int BareConcurrency = 32;

    private static readonly int[] Concurrencies = [1, 2, 4, 8, 16, 32];

    private static readonly int[] DocumentedConcurrencies = [16, 64];

    public static async Task<int> RunAsync(SagaPlan plan, CancellationToken cancellation)
    {
        await using var servers = await ServerPair.StartAsync();
        var machine = await Machine.DescribeAsync(await servers.Database.ConnectionStringAsync(),
            new Uri(await servers.Broker.ConnectionStringAsync()));
        Console.WriteLine(machine);
        if (plan.SoakMinutes > 0)
            return await SagaSoak.RunAsync(servers, machine, plan, cancellation);
        var variants = VariantsOf(plan);
        int?[] rates = plan.Sweep ? [null] : [null, .. plan.Rates.Select(rate => (int?)rate)];

        var runs = new List<SagaRun>();
        try
        {
            foreach (var (name, kind, concurrency) in variants)
            {
                cancellation.ThrowIfCancellationRequested();
                runs.Add(await SagaRun.StartAsync(servers, name, kind, concurrency, plan));
                Console.WriteLine($"{name}: warm after {plan.Warm} sagas");
            }
            for (var round = 1; round <= plan.Rounds; round++)
            {
                foreach (var run in runs)
                {
                    await run.StartRoundAsync();
                    foreach (var rate in rates)
                    {
                        cancellation.ThrowIfCancellationRequested();
                        Console.WriteLine($"round {round}, {run.Name}, {NameOf(rate)}: {await run.MeasureAsync(rate, plan)}");
                    }
                    await run.CheckAsync();
                }
            }
        }
        finally
        {
            foreach (var run in runs)
                await run.DisposeAsync();
        }

        var text = $"{Describe(plan, machine)}\n\n{TableOf(runs, rates)}{RatiosOf(runs)}";
        Console.WriteLine();
        Console.WriteLine(text);
        if (plan.Write)
            await WriteAsync(plan, runs, text);
        var faults = runs.SelectMany(run => run.Faults).ToList();
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0
            ? $"Totals are right in {plan.Rounds} rounds: each saga is final exactly once, with its history, decisions and inbox rows. "
                + "The outboxes are empty."
            : "Totals are wrong.");
        return faults.Count == 0 ? 0 : 1;
    }

    // The documented program runs with few and with many handlers, and always beside bare, because its figure is a ratio.
    private static (string Name, string Kind, int Concurrency)[] VariantsOf(SagaPlan plan) => plan switch
    {
        { Sweep: true } =>
            [.. Concurrencies.Select(concurrency => ($"ours, {concurrency} at a time", SagaVariantFactory.Ours, concurrency))],
        { IsDocumented: true } =>
        [
            .. DocumentedConcurrencies.Select(concurrency =>
                ($"documented, {concurrency} at a time", SagaVariantFactory.Documented, concurrency)),
            .. plan.Variants.Except([SagaVariantFactory.Documented, SagaVariantFactory.Bare])
                .Select(kind => (kind, kind, plan.Concurrency)),
            (SagaVariantFactory.Bare, SagaVariantFactory.Bare, BareConcurrency)
        ],
        _ => [.. plan.Variants.Select(kind => (kind, kind, plan.Concurrency))]
    };

    private static string NameOf(int? rate) => rate is { } perSecond ? $"{perSecond}/s" : "burst";

    private static string Describe(SagaPlan plan, string machine)
    {
        var queues = plan.Quorum ? "Quorum" : "Classic";
        var endpoints = plan switch
        {
            { Sweep: true } => $"prefetch {SagaSettings.Prefetch}",
            { IsDocumented: true } =>
                $"four endpoints; bare: {BareConcurrency} messages at a time, prefetch {SagaSettings.Prefetch}; "
                + "documented: prefetch as named",
            _ => $"{plan.Concurrency} messages at a time on each of four endpoints, prefetch {SagaSettings.Prefetch}"
        };
        return $"""
            {machine}
            {queues} queues, {endpoints};
            {plan.Rounds} interleaved rounds, each burst {plan.Sagas} sagas, after {plan.Warm} to warm up. Median (minimum–maximum).
            """;
    }

    private static string TableOf(List<SagaRun> runs, int?[] rates)
    {
        var table = new Table("variant, load", "sagas/s", "p50 ms", "p99 ms", "CPU ms/saga: app", "PostgreSQL", "RabbitMQ", "KB/saga",
            "commits/saga", "commits/message");
        foreach (var rate in rates)
        {
            foreach (var run in runs)
            {
                Samples Of(Func<SagaMeasurement, double> figure) => run.Figures(rate, figure);
                table.Add($"{run.Name}, {NameOf(rate)}", Of(m => m.PerSecond).ToText("0"), Of(m => m.P50).ToText("0.0"),
                    Of(m => m.P99).ToText("0.0"),
                    Of(m => m.AppCpu).ToText("0.00"), Of(m => m.DatabaseCpu).ToText("0.00"), Of(m => m.BrokerCpu).ToText("0.00"),
                    Of(m => m.AllocatedKilobytes).ToText("0"), Of(m => m.Commits).ToText("0.00"),
                        Of(m => m.Commits / MessagesPerSaga).ToText("0.00"));
            }
        }
        return table.ToString();
    }

    private static string RatiosOf(List<SagaRun> runs)
    {
        var bare = runs.Find(run => run.Name == SagaVariantFactory.Bare);
        string[] ratios = [.. runs.Where(run => run.Name.StartsWith(SagaVariantFactory.Documented, StringComparison.Ordinal))
            .Select(run => $"- {run.Name}: {run.SpeedBeside(bare!).ToText("0.00")} of the sagas per second of bare in the same round.")];
        return ratios.Length == 0 ? "" : $"\n{string.Join('\n', ratios)}\n";
    }

    private static async Task WriteAsync(SagaPlan plan, List<SagaRun> runs, string text)
    {
        var name = plan.Sweep ? "saga-sweep" : plan.IsDocumented ? "saga-documented" : plan.Quorum ? "saga-quorum" : "saga";
        var result = new StringBuilder(text).AppendLine();
        var speed = BarChart.Draw("Sagas per second, burst", [.. runs.Select(run =>
        {
            var samples = run.Figures(null, m => m.PerSecond);
            return new Bar(run.Name, [samples.Median], $"{samples.Median:0}", samples.Min, samples.Max);
        })]);
        result.AppendLine(await PerformanceDocument.WritePictureAsync($"{name}-speed", "Sagas per second", speed));
        var cost = BarChart.Draw("Processor time of a saga in a burst, ms", [.. runs.Select(run =>
        {
            double[] parts = [run.Figures(null, m => m.AppCpu).Median, run.Figures(null, m => m.DatabaseCpu).Median,
                run.Figures(null, m => m.BrokerCpu).Median];
            return new Bar(run.Name, parts, $"{parts.Where(double.IsFinite).Sum():0.0}");
        })], "application", "PostgreSQL", "RabbitMQ");
        result.AppendLine(await PerformanceDocument.WritePictureAsync($"{name}-cpu", "Processor time of a saga", cost));
        await PerformanceDocument.WriteAsync(name, result.ToString());
    }
}
