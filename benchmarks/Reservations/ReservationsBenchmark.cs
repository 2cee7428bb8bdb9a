using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>What one round came to; processor times are per reservation and process.</summary>
internal sealed record ReservationsRound(double PerSecond, double P50, double P99, double Commits, Dictionary<string, double> Cpu);

/// <summary>People in a closed loop: each reserves the next seat when the last is confirmed.</summary>
internal static class ReservationsBenchmark
{
    // What one charge may add; it buys the dearest three seats.
    private const long Charge = 1_000_000;

    // Of this process, which plays the people.
    private const string Client = "client";

    /// <summary>What is measured is what comes after the waiting room.</summary>
    public static readonly string[] OpenDoors = ["--Queue:Capacity=100000", "--Queue:BatchSize=10000", "--Queue:Interval=00:00:00.1"];

    public static async Task<int> RunAsync(ReservationsPlan plan, CancellationToken cancellation)
    {
        await using var cluster = await Cluster.StartAsync(OpenDoors);
        var machine = await Machine.DescribeAsync(cluster.Database, cluster.Broker);
        Console.WriteLine(machine);
        using var http = ClientOf(cluster, plan);

        await WarmAsync(http, plan, cancellation);
        Console.WriteLine($"warm after {plan.Warm} reservations");
        var rounds = new List<ReservationsRound>();
        for (var round = 0; round < plan.Rounds; round++)
        {
            // Signing in, charging and waiting in line are no part of what is measured, nor of what is counted.
            var shoppers = await SignInAsync(http, plan, plan.Reservations, cancellation);
            var commits = await cluster.CommitsAsync();
            var measured = await MeasureAsync(shoppers, cluster, plan, plan.Warm + round * plan.Reservations, cancellation);
            rounds.Add(measured with { Commits = (await cluster.CommitsAsync() - commits) / plan.Reservations });
            Console.WriteLine($"round {round + 1}: {rounds[^1].PerSecond:0} confirmed/s, p50 {rounds[^1].P50:0} ms, p99 {rounds[^1].P99:0} ms, {rounds[^1].Commits:0.0} commits a reservation");
        }

        var text = $"""
            {machine}
            {plan.Concurrent} people at the same time, one seat each time, {ReservationsPlan.Concerts * plan.Dates} dates; {plan.Rounds} rounds of {plan.Reservations} reservations after {plan.Warm} to warm up. Median (least–most).

            {TableOf(rounds)}
            """;
        Console.WriteLine();
        Console.WriteLine(text);
        if (plan.Write)
            await WriteAsync(rounds, text);
        var faults = await FaultsAsync(cluster, plan);
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0 ? "Totals are right: every reservation confirmed and paid, as many seats sold." : "Totals are wrong.");
        return faults.Count == 0 ? 0 : 1;
    }

    public static HttpClient ClientOf(Cluster cluster, ReservationsPlan plan) =>
        new(new SocketsHttpHandler { MaxConnectionsPerServer = 4 * plan.Concurrent }) { BaseAddress = cluster.Gateway };

    public static async Task WarmAsync(HttpClient http, ReservationsPlan plan, CancellationToken cancellation) =>
        await ReserveAsync(await SignInAsync(http, plan, plan.Warm, cancellation), plan, 0, plan.Warm, cancellation);

    public static async Task<ReservationsRound> MeasureAsync(Shopper[] shoppers, Cluster cluster, ReservationsPlan plan, int first, CancellationToken cancellation)
    {
        var before = cluster.CpuTimes();
        before[Client] = CpuTime.Of(Environment.ProcessId);
        var watch = Stopwatch.StartNew();
        double[] latencies = [.. (await ReserveAsync(shoppers, plan, first, plan.Reservations, cancellation)).Order()];
        var seconds = watch.Elapsed.TotalSeconds;
        var after = cluster.CpuTimes();
        after[Client] = CpuTime.Of(Environment.ProcessId);
        return new ReservationsRound(plan.Reservations / seconds, Samples.Percentile(latencies, 0.5), Samples.Percentile(latencies, 0.99), double.NaN,
            after.ToDictionary(one => one.Key, one => (one.Value - before[one.Key]) / plan.Reservations));
    }

    public static async Task<Shopper[]> SignInAsync(HttpClient http, ReservationsPlan plan, int reservations, CancellationToken cancellation)
    {
        var shoppers = new Shopper[(reservations + PerUser(plan, reservations) - 1) / PerUser(plan, reservations)];
        await Parallel.ForAsync(0, shoppers.Length, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = cancellation },
            async (place, _) => shoppers[place] = await Shopper.SignInAsync(http, Charge, ReservationsPlan.Concerts));
        return shoppers;
    }

    // Nobody has two reservations under way, so there must be enough people for those who are busy at the same time.
    private static int PerUser(ReservationsPlan plan, int reservations) => Math.Clamp(reservations / plan.Concurrent, 1, ReservationsPlan.MostPerUser);

    private static async Task<IEnumerable<double>> ReserveAsync(Shopper[] shoppers, ReservationsPlan plan, int first, int count, CancellationToken cancellation)
    {
        var latencies = new ConcurrentBag<double>();
        var perUser = PerUser(plan, count);
        await Parallel.ForAsync(0, shoppers.Length, new ParallelOptions { MaxDegreeOfParallelism = plan.Concurrent, CancellationToken = cancellation },
            async (place, _) =>
            {
                for (var number = place * perUser; number < Math.Min((place + 1) * perUser, count); number++)
                {
                    // Concert after concert, then date after date, then seat after seat, so that people meet as little as the dates allow.
                    var (rest, concert) = Math.DivRem(first + number, ReservationsPlan.Concerts);
                    var (seat, date) = Math.DivRem(rest, plan.Dates);
                    latencies.Add(await shoppers[place].ReserveAsync(concert * ReservationsPlan.DatesOfConcert + date + 1, seat + 1));
                }
            });
        return latencies;
    }

    public static async Task<List<string>> FaultsAsync(Cluster cluster, ReservationsPlan plan)
    {
        var all = plan.Warm + plan.Rounds * plan.Reservations;
        var paid = await cluster.NumberAsync("orchestrator", "SELECT coalesce(sum(\"TotalPrice\"), 0)::bigint FROM \"Reservations\"");
        var charged = await cluster.NumberAsync("points", "SELECT coalesce(sum(\"Amount\"), 0)::bigint FROM \"LedgerEntries\" WHERE \"Kind\" = 'Charge'");
        (string What, string Owner, string Sql, long Expected)[] totals =
        [
            ("reservations", "orchestrator", "SELECT count(*) FROM \"Reservations\"", all),
            ("confirmed reservations", "orchestrator", "SELECT count(*) FROM \"Reservations\" WHERE \"CurrentState\" = 'Confirmed'", all),
            ("messages left in the outbox", "orchestrator", "SELECT count(*) FROM \"OutboxMessage\"", 0),
            ("seats with an owner", "seats", "SELECT count(*) FROM \"Seats\" WHERE \"ReservationId\" IS NOT NULL", all),
            ("available seats", "seats", "SELECT sum(\"AvailableSeats\")::bigint FROM \"Schedules\"", ReservationsPlan.Concerts * ReservationsPlan.DatesOfConcert * ReservationsPlan.SeatsOfDate - all),
            ("payments", "payments", "SELECT count(*) FROM \"Payments\"", all),
            ("points left", "points", "SELECT sum(\"Balance\")::bigint FROM \"Accounts\"", charged - paid)
        ];
        var faults = new List<string>();
        foreach (var (what, owner, sql, expected) in totals)
        {
            if (await cluster.NumberAsync(owner, sql) is var found && found != expected)
                faults.Add($"{what}: {found}, expected {expected}");
        }
        return faults;
    }

    private static string TableOf(List<ReservationsRound> rounds)
    {
        Samples Of(Func<ReservationsRound, double> figure) => new(rounds.Select(figure));
        var whole = new Table("figure", "");
        whole.Add("confirmed/s", Of(round => round.PerSecond).ToText("0"));
        whole.Add("p50 ms, request to confirmed", Of(round => round.P50).ToText("0"));
        whole.Add("p99 ms", Of(round => round.P99).ToText("0"));
        whole.Add("commits a reservation", Of(round => round.Commits).ToText("0.0"));
        whole.Add("CPU ms a reservation, all", Of(round => round.Cpu.Values.Sum()).ToText("0.0"));
        foreach (var process in rounds[0].Cpu.Keys)
            whole.Add($"CPU ms, {process}", Of(round => round.Cpu[process]).ToText("0.0"));
        return whole.ToString();
    }

    private static async Task WriteAsync(List<ReservationsRound> rounds, string text)
    {
        var cost = BarChart.Draw("Processor time of a reservation, ms", [.. rounds[0].Cpu.Keys.Select(process =>
        {
            var samples = new Samples(rounds.Select(round => round.Cpu[process]));
            return new Bar(process, [samples.Median], $"{samples.Median:0.0}", samples.Least, samples.Most);
        })]);
        await PerformanceDocument.WriteAsync("reservations",
            $"{text}\n{await PerformanceDocument.WritePictureAsync("reservations-cpu", "Processor time of a reservation", cost)}");
    }
}
