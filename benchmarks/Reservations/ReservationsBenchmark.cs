using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Sagas;
using Npgsql;

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
        var seats = await AddSeatsAsync(cluster, plan);
        using var http = ClientOf(cluster, booking);

        await WarmAsync(http, booking, cancellation);
        Console.WriteLine($"warm after {booking.Warm} reservations");
        var rounds = plan.Customers.ToDictionary(customers => customers, _ => new List<ReservationsRound>());
        var (bareSpeed, bareLatency) = (new List<double>(), new List<double>());
        var first = booking.Warm;
        for (var round = 1; round <= booking.Rounds; round++)
        {
            foreach (var level in plan.Customers.Select(booking.With))
            {
                // Signing in, charging and waiting happen before the measurement.
                var customers = await SignInAsync(http, level, level.Reservations, cancellation);
                var commits = await cluster.CommitsAsync();
                var measured = await MeasureAsync(customers, cluster, level, first, cancellation);
                first += level.Reservations;
                measured = measured with { Commits = (await cluster.CommitsAsync() - commits) / level.Reservations };
                rounds[level.Concurrent].Add(measured);
                Console.WriteLine($"round {round}, {level.Concurrent} customers: {measured.PerSecond:0} confirmed/s, "
                    + $"p50 {measured.P50:0} ms, p99 {measured.P99:0} ms, {measured.Commits:0.0} commits per reservation");
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

            {TableOf(rounds, new Samples(bareSpeed).Median, new Samples(bareLatency).Median)}
            """;
        Console.WriteLine();
        Console.WriteLine(text);
        if (booking.Write)
            await WriteAsync(rounds[plan.Customers[^1]], text);
        List<string> faults = [.. await FaultsAsync(cluster, plan.All, seats), .. bare.Faults];
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0 ? "Totals are right: every reservation is confirmed and paid, and as many seats are sold."
            : "Totals are wrong.");
        return faults.Count == 0 ? 0 : 1;
    }

    // The halls of the demo data are too small for many customers. Returns the number of all seats.
    private static async Task<int> AddSeatsAsync(Cluster cluster, ReservationsRunPlan plan)
    {
        var sold = plan.Booking.SoldConcerts * plan.Booking.Schedules;
        var more = Math.Max(0, (plan.All + sold - 1) / sold - ReservationsPlan.SeatsPerSchedule);
        await using var command = cluster.DatabaseOf("seats").CreateCommand("""
            INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status")
            SELECT "ScheduleId", "TotalSeats" + n, 100, 'Available' FROM "Schedules", generate_series(1, $1) AS n
            """);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = more });
        await command.ExecuteNonQueryAsync();
        await using var count = cluster.DatabaseOf("seats").CreateCommand("""
            UPDATE "Schedules" SET "TotalSeats" = "TotalSeats" + $1, "AvailableSeats" = "AvailableSeats" + $1, "Version" = "Version" + 1
            """);
        count.Parameters.Add(new NpgsqlParameter<int> { TypedValue = more });
        return await count.ExecuteNonQueryAsync() * (ReservationsPlan.SeatsPerSchedule + more);
    }

    public static HttpClient ClientOf(Cluster cluster, ReservationsPlan plan) =>
        new(new SocketsHttpHandler { MaxConnectionsPerServer = 4 * plan.Concurrent }) { BaseAddress = cluster.Gateway };

    public static async Task WarmAsync(HttpClient http, ReservationsPlan plan, CancellationToken cancellation) =>
        await ReserveAsync(await SignInAsync(http, plan, plan.Warm, cancellation), plan, 0, plan.Warm, cancellation);

    public static async Task<ReservationsRound> MeasureAsync(
        BookingCustomer[] customers, Cluster cluster, ReservationsPlan plan, int first, CancellationToken cancellation)
    {
        var before = cluster.CpuTimes();
        before[Client] = CpuTime.Of(Environment.ProcessId);
        var watch = Stopwatch.StartNew();
        double[] latencies = [.. (await ReserveAsync(customers, plan, first, plan.Reservations, cancellation)).Order()];
        var seconds = watch.Elapsed.TotalSeconds;
        var after = cluster.CpuTimes();
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

    public static async Task<List<string>> FaultsAsync(Cluster cluster, int all, int seats)
    {
        var paid = await cluster.NumberAsync("orchestrator", "SELECT coalesce(sum(\"TotalPrice\"), 0)::bigint FROM \"Reservations\"");
        var charged = await cluster.NumberAsync("points",
            "SELECT coalesce(sum(\"Amount\"), 0)::bigint FROM \"LedgerEntries\" WHERE \"Kind\" = 'Charge'");
        (string What, string Owner, string Sql, long Expected)[] totals =
        [
            ("reservations", "orchestrator", "SELECT count(*) FROM \"Reservations\"", all),
            ("confirmed reservations", "orchestrator", "SELECT count(*) FROM \"Reservations\" WHERE \"CurrentState\" = 'Confirmed'", all),
            ("remaining outbox messages", "orchestrator", "SELECT count(*) FROM \"OutboxMessage\"", 0),
            ("seats with an owner", "seats", "SELECT count(*) FROM \"Seats\" WHERE \"ReservationId\" IS NOT NULL", all),
            ("available seats", "seats", "SELECT sum(\"AvailableSeats\")::bigint FROM \"Schedules\"", seats - all),
            ("payments", "payments", "SELECT count(*) FROM \"Payments\"", all),
            ("remaining points", "points", "SELECT sum(\"Balance\")::bigint FROM \"Accounts\"", charged - paid)
        ];
        var faults = new List<string>();
        foreach (var (what, owner, sql, expected) in totals)
        {
            if (await cluster.NumberAsync(owner, sql) is var found && found != expected)
                faults.Add($"{what}: {found}, expected {expected}");
        }
        return faults;
    }

    private static string TableOf(Dictionary<int, List<ReservationsRound>> levels, double bareSpeed, double bareLatency)
    {
        var table = new Table(["customers", .. levels.Keys.Select(customers => $"{customers}")]);
        void Add(string name, string format, Func<ReservationsRound, double> figure) =>
            table.Add([name, .. levels.Values.Select(rounds => new Samples(rounds.Select(figure)).ToText(format))]);
        Add("confirmed/s", "0", round => round.PerSecond);
        Add("confirmed/s ÷ bare sagas/s", "0.00", round => round.PerSecond / bareSpeed);
        Add("p50 ms, request to confirmed", "0", round => round.P50);
        Add("p50 ÷ that of the bare saga at a light load", "0.0", round => round.P50 / bareLatency);
        Add("p99 ms", "0", round => round.P99);
        Add("commits per reservation", "0.0", round => round.Commits);
        Add("CPU ms per reservation, all", "0.0", round => round.Cpu.Values.Sum());
        foreach (var process in levels.Values.First()[0].Cpu.Keys)
            Add($"CPU ms, {process}", "0.0", round => round.Cpu[process]);
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
