using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Sagas;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>Result of one round; processor times are per reservation and process.</summary>
internal sealed record ReservationsRound(double PerSecond, double P50, double P99, double Commits, Dictionary<string, double> Cpu);

/// <summary>Customers in a closed loop: each reserves the next seat after the confirmation of the last.</summary>
internal static class ReservationsBenchmark
{
    // The limit of one charge. It pays for the three most expensive seats.
    private const long Charge = 1_000_000;

    // This process, which simulates the customers.
    private const string Client = "client";

    /// <summary>Settings that admit all customers at once, because the waiting room is not measured.</summary>
    public static readonly string[] FastAdmission = ["--Queue:Capacity=100000", "--Queue:BatchSize=10000", "--Queue:Interval=00:00:00.1"];

    public static async Task<int> RunAsync(ReservationsRunPlan plan, CancellationToken cancellation)
    {
        var booking = plan.Booking;
        await using var servers = await ServerPair.StartAsync();
        await using var bare = await SagaRun.StartAsync(servers, "bare", SagaVariantFactory.Bare, plan.Bare.Concurrency, plan.Bare);
        await using var cluster = await Cluster.StartAsync(FastAdmission);
        var machine = await Machine.DescribeAsync(cluster.Database, cluster.Broker);
        Console.WriteLine(machine);
        await using var allInOne = plan.AllInOne ? await AllInOneSystem.StartAsync(FastAdmission, Cluster.Runtime) : null;
        List<MeasuredSystem> systems = [new("", cluster, await AddSeatsAsync(cluster, plan), plan)];
        if (allInOne is not null)
            systems.Add(new MeasuredSystem("AllInOne", allInOne, await AddSeatsAsync(allInOne, plan), plan));
        foreach (var system in systems)
        {
            using var http = ClientOf(system.System, booking);
            await WarmAsync(http, booking, cancellation);
        }
        Console.WriteLine($"warm after {booking.Warm} reservations");
        var (bareSpeed, bareLatency) = (new List<double>(), new List<double>());
        for (var round = 1; round <= booking.Rounds; round++)
        {
            foreach (var system in systems)
            {
                foreach (var level in plan.Customers.Select(booking.With))
                {
                    var measured = await MeasureAsync(system, level, cancellation);
                    Console.WriteLine($"round {round}, {system.LabelOf(level.Concurrent)} customers: {measured.PerSecond:0} confirmed/s, "
                        + $"p50 {measured.P50:0} ms, p99 {measured.P99:0} ms"
                        + (double.IsNaN(measured.Commits) ? "" : $", {measured.Commits:0.0} commits per reservation"));
                }
            }
            await bare.StartRoundAsync();
            bareSpeed.Add((await bare.MeasureAsync(null, plan.Bare)).PerSecond);
            bareLatency.Add((await bare.MeasureAsync(ReservationsRunPlan.BareRate, plan.Bare)).P50);
            await bare.CheckAsync();
            Console.WriteLine($"round {round}, bare: {bareSpeed[^1]:0} sagas/s, "
                + $"p50 {bareLatency[^1]:0.0} ms at {ReservationsRunPlan.BareRate}/s");
        }

        var text = $"""
            {machine}
            One seat per reservation, {booking.SoldConcerts * booking.Schedules} schedules; {booking.Rounds} rounds after {booking.Warm}
            reservations to warm up. Median (minimum–maximum). The bare saga in the same rounds: {new Samples(bareSpeed).ToText("0")}
            sagas/s, p50 {new Samples(bareLatency).ToText("0.0")} ms at {ReservationsRunPlan.BareRate}/s.

            {TableOf(systems, new Samples(bareSpeed).Median, new Samples(bareLatency).Median)}
            """;
        Console.WriteLine();
        Console.WriteLine(text);
        if (booking.Write)
            await WriteAsync(systems[0].Rounds[plan.Customers[^1]], text);
        List<string> faults = [.. bare.Faults];
        foreach (var system in systems)
            faults.AddRange((await FaultsAsync(system.System, plan.All, system.Seats))
                .Select(fault => $"{system.System.GetType().Name}: {fault}"));
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0 ? "Totals are right: every reservation is confirmed and paid, and as many seats are sold."
            : "Totals are wrong.");
        return faults.Count == 0 ? 0 : 1;
    }

    // The halls of the demo data are too small for many customers. Returns the number of all seats.
    private static async Task<int> AddSeatsAsync(IBookingSystem system, ReservationsRunPlan plan)
    {
        var sold = plan.Booking.SoldConcerts * plan.Booking.Schedules;
        var more = Math.Max(1, (plan.All + sold - 1) / sold - ReservationsPlan.SeatsPerSchedule);
        await system.ChangeAsync("seats", $"""
            INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status")
            WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {more})
            SELECT "ScheduleId", "TotalSeats" + n, 100, 'Available' FROM "Schedules" CROSS JOIN numbers
            """);
        var schedules = await system.ChangeAsync("seats", $"""
            UPDATE "Schedules"
            SET "TotalSeats" = "TotalSeats" + {more}, "AvailableSeats" = "AvailableSeats" + {more}, "Version" = "Version" + 1
            """);
        return schedules * (ReservationsPlan.SeatsPerSchedule + more);
    }

    public static HttpClient ClientOf(IBookingSystem system, ReservationsPlan plan) =>
        new(new SocketsHttpHandler { MaxConnectionsPerServer = 4 * plan.Concurrent }) { BaseAddress = system.Gateway };

    private static async Task<ReservationsRound> MeasureAsync(
        MeasuredSystem measured, ReservationsPlan level, CancellationToken cancellation)
    {
        var system = measured.System;
        using var http = ClientOf(system, level);
        // Signing in, charging and waiting happen before the measurement.
        var customers = await SignInAsync(http, level, level.Reservations, cancellation);
        var commits = await system.CommitsAsync();
        var round = await MeasureAsync(customers, system, level, measured.Reserved, cancellation);
        round = round with { Commits = (await system.CommitsAsync() - commits) / level.Reservations };
        measured.Reserved += level.Reservations;
        measured.Rounds[level.Concurrent].Add(round);
        return round;
    }

    public static async Task WarmAsync(HttpClient http, ReservationsPlan plan, CancellationToken cancellation) =>
        await ReserveAsync(await SignInAsync(http, plan, plan.Warm, cancellation), plan, 0, plan.Warm, cancellation);

    public static async Task<ReservationsRound> MeasureAsync(
        BookingCustomer[] customers, IBookingSystem system, ReservationsPlan plan, int first, CancellationToken cancellation)
    {
        var before = system.CpuTimes();
        before[Client] = CpuTime.Of(Environment.ProcessId);
        var watch = Stopwatch.StartNew();
        double[] latencies = [.. (await ReserveAsync(customers, plan, first, plan.Reservations, cancellation)).Order()];
        var seconds = watch.Elapsed.TotalSeconds;
        var after = system.CpuTimes();
        after[Client] = CpuTime.Of(Environment.ProcessId);
        return new ReservationsRound(plan.Reservations / seconds, Samples.Percentile(latencies, 0.5), Samples.Percentile(latencies, 0.99),
            double.NaN,
            after.ToDictionary(pair => pair.Key, pair => (pair.Value - before[pair.Key]) / plan.Reservations));
    }

    public static async Task<BookingCustomer[]> SignInAsync(
        HttpClient http, ReservationsPlan plan, int reservations, CancellationToken cancellation)
    {
        var perCustomer = ReservationsPerCustomer(plan, reservations);
        var customers = new BookingCustomer[(reservations + perCustomer - 1) / perCustomer];
        await Parallel.ForAsync(0, customers.Length, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = cancellation },
            async (place, _) => customers[place] = await BookingCustomer.SignInAsync(
                http, Charge, Enumerable.Range(1, plan.SoldConcerts)));
        return customers;
    }

    // A customer has one reservation at a time, so there are at least as many customers as concurrent reservations.
    private static int ReservationsPerCustomer(ReservationsPlan plan, int reservations) =>
        Math.Clamp(reservations / plan.Concurrent, 1, plan.SoldConcerts);

    private static async Task<IEnumerable<double>> ReserveAsync(
        BookingCustomer[] customers, ReservationsPlan plan, int first, int count, CancellationToken cancellation)
    {
        var latencies = new ConcurrentBag<double>();
        var perCustomer = ReservationsPerCustomer(plan, count);
        await Parallel.ForAsync(0, customers.Length,
            new ParallelOptions { MaxDegreeOfParallelism = plan.Concurrent, CancellationToken = cancellation },
            async (place, _) =>
            {
                for (var number = place * perCustomer; number < Math.Min((place + 1) * perCustomer, count); number++)
                {
                    // The concert changes first, then the schedule, then the seat: customers rarely compete for one schedule.
                    var (rest, concert) = Math.DivRem(first + number, plan.SoldConcerts);
                    var (seat, schedule) = Math.DivRem(rest, plan.Schedules);
                    latencies.Add(await customers[place].ReserveAsync(concert * ReservationsPlan.SchedulesPerConcert + schedule + 1,
                        seat + 1));
                }
            });
        return latencies;
    }

    public static async Task<List<string>> FaultsAsync(IBookingSystem system, int all, int seats)
    {
        var paid = await system.NumberAsync("orchestrator",
            "SELECT CAST(coalesce(sum(\"TotalPrice\"), 0) AS bigint) FROM \"Reservations\"");
        var charged = await system.NumberAsync("points",
            "SELECT CAST(coalesce(sum(\"Amount\"), 0) AS bigint) FROM \"LedgerEntries\" WHERE \"Kind\" = 'Charge'");
        (string What, string Owner, string Sql, long Expected)[] totals =
        [
            ("reservations", "orchestrator", "SELECT count(*) FROM \"Reservations\"", all),
            ("confirmed reservations", "orchestrator", "SELECT count(*) FROM \"Reservations\" WHERE \"CurrentState\" = 'Confirmed'", all),
            ("remaining outbox messages", "orchestrator", "SELECT count(*) FROM \"OutboxMessage\"", 0),
            ("seats with an owner", "seats", "SELECT count(*) FROM \"Seats\" WHERE \"ReservationId\" IS NOT NULL", all),
            ("available seats", "seats", "SELECT CAST(sum(\"AvailableSeats\") AS bigint) FROM \"Schedules\"", seats - all),
            ("payments", "payments", "SELECT count(*) FROM \"Payments\"", all),
            ("remaining points", "points", "SELECT CAST(sum(\"Balance\") AS bigint) FROM \"Accounts\"", charged - paid)
        ];
        var faults = new List<string>();
        foreach (var (what, owner, sql, expected) in totals)
        {
            // AllInOne keeps delivered messages for a while, because its bus is in memory.
            if (system is AllInOneSystem && sql.Contains("OutboxMessage", StringComparison.Ordinal))
                continue;
            if (await system.NumberAsync(owner, sql) is var found && found != expected)
                faults.Add($"{what}: {found}, expected {expected}");
        }
        return faults;
    }

    private static string TableOf(List<MeasuredSystem> systems, double bareSpeed, double bareLatency)
    {
        var levels = systems.SelectMany(system => system.Rounds.Select(level => (Label: system.LabelOf(level.Key), Rounds: level.Value)))
            .ToList();
        var table = new Table(["customers", .. levels.Select(level => level.Label)]);
        void Add(string name, string format, Func<ReservationsRound, double> figure) =>
            table.Add([name, .. levels.Select(level => level.Rounds.Select(figure).Any(double.IsNaN) ? "–"
                : new Samples(level.Rounds.Select(figure)).ToText(format))]);
        Add("confirmed/s", "0", round => round.PerSecond);
        Add("confirmed/s ÷ bare sagas/s", "0.00", round => round.PerSecond / bareSpeed);
        Add("p50 ms, request to confirmed", "0", round => round.P50);
        Add("p50 ÷ that of the bare saga at a light load", "0.0", round => round.P50 / bareLatency);
        Add("p99 ms", "0", round => round.P99);
        Add("commits per reservation", "0.0", round => round.Commits);
        Add("CPU ms per reservation, all", "0.0", round => round.Cpu.Values.Sum());
        foreach (var process in systems.SelectMany(system => system.Rounds.Values.First()[0].Cpu.Keys).Distinct())
            Add($"CPU ms, {process}", "0.0", round => round.Cpu.GetValueOrDefault(process, double.NaN));
        foreach (var other in systems.Skip(1))
        {
            table.Add(["confirmed/s ÷ the cluster's, same round", .. systems.SelectMany(system => system.Rounds.Select(level =>
                system != other ? "–" : new Samples(level.Value.Zip(systems[0].Rounds[level.Key],
                    (round, cluster) => round.PerSecond / cluster.PerSecond)).ToText("0.00")))]);
        }
        return table.ToString();
    }

    private static async Task WriteAsync(List<ReservationsRound> rounds, string text)
    {
        var cost = BarChart.Draw("Processor time of a reservation, ms", [.. rounds[0].Cpu.Keys.Select(process =>
        {
            var samples = new Samples(rounds.Select(round => round.Cpu[process]));
            return new Bar(process, [samples.Median], $"{samples.Median:0.0}", samples.Min, samples.Max);
        })]);
        await PerformanceDocument.WriteAsync("reservations",
            $"{text}\n{await PerformanceDocument.WritePictureAsync("reservations-cpu", "Processor time of a reservation", cost)}");
    }
}

/// <summary>A form of the product, and its rounds for each number of customers.</summary>
internal sealed class MeasuredSystem(string name, IBookingSystem system, int seats, ReservationsRunPlan plan)
{
    public IBookingSystem System => system;

    public int Seats => seats;

    /// <summary>The reservations so far.</summary>
    public int Reserved { get; set; } = plan.Booking.Warm;

    public Dictionary<int, List<ReservationsRound>> Rounds { get; } =
        plan.Customers.ToDictionary(customers => customers, _ => new List<ReservationsRound>());

    public string LabelOf(int customers) => name.Length == 0 ? $"{customers}" : $"{name}, {customers}";
}
