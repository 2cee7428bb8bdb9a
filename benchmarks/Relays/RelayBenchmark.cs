using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Relays;

/// <summary>Throughput and cost of the relay, and whether reservations slow down while the data platform is down.</summary>
internal static class RelayBenchmark
{
    public static async Task<int> RunAsync(RelayPlan plan, CancellationToken cancellation)
    {
        var faults = new List<string>();
        var loads = new Dictionary<RelayLoad, List<RelayRound>>();
        string machine;
        await using (var servers = await ServerPair.StartAsync())
        {
            var broker = new Uri(await servers.Broker.CreateVirtualHostAsync("machine"));
            machine = await Machine.DescribeAsync(await servers.Database.ConnectionStringAsync(), broker);
            Console.WriteLine(machine);
            for (var round = 1; round <= plan.Rounds; round++)
            {
                foreach (var load in RelayLoad.All)
                {
                    await using var run = await RelayRun.StartAsync(servers, plan, load);
                    var measured = await run.MeasureAsync(cancellation);
                    faults.AddRange(await run.FaultsAsync());
                    if (!loads.TryGetValue(load, out var rounds))
                        loads[load] = rounds = [];
                    rounds.Add(measured);
                    Console.WriteLine($"round {round}, {load.Name}: {measured.PerSecond:0}/s, relay {measured.RelayCpu:0.000} "
                        + $"and PostgreSQL {measured.DatabaseCpu:0.000} ms each, {measured.PeakMegabytes:0} MB");
                }
            }
        }
        var table = new Table("load", "deliveries/s", "CPU ms each: relay", "PostgreSQL", "RabbitMQ", "peak MB per replica");
        foreach (var (load, rounds) in loads)
        {
            string Of(Func<RelayRound, double> figure, string format) => new Samples(rounds.Select(figure)).ToText(format);
            table.Add(load.Name, Of(round => round.PerSecond, "0"), Of(round => round.RelayCpu, "0.000"),
                Of(round => round.DatabaseCpu, "0.000"),
                Of(round => round.BrokerCpu, "0.000"), Of(round => round.PeakMegabytes, "0"));
        }
        var text = $"""
            {machine}
            The receiver answers after {plan.DelayMilliseconds} ms and runs in the measuring process;
            {plan.Rounds} interleaved rounds of {plan.Deliveries} deliveries after {plan.Warm} to warm up;
            every fifth reservation has two. Median (minimum–maximum).

            {table}
            """;

        if (plan.Reservations > 0)
        {
            var (comparison, wrongTotals) = await ReceiverComparison.RunAsync(plan, cancellation);
            faults.AddRange(wrongTotals);
            text = $"{text}\n{comparison}";
        }
        Console.WriteLine();
        Console.WriteLine(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("relay", text);
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0 ? "Totals are right: every delivery arrived once and in order." : "Totals are wrong.");
        return faults.Count == 0 ? 0 : 1;
    }
}
