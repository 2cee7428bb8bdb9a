using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>One simulated sale in parts, with the measurements of each.</summary>
internal sealed class QueueRun(QueuePlan plan, Cluster cluster, Crowd crowd, CrowdLoad load, HttpClient operators)
{
    private const string Gateway = "gateway", Queue = "queue", Postgres = "postgres", Broker = "rabbitmq", Client = "client";

    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(30);

    private static readonly string[] Parts = [Gateway, Queue, Postgres, Broker, Client];

    private readonly Table _table = new(
        "part", "per second", "p50 ms", "p99 ms", "CPU µs each: gateway", "queue", "PostgreSQL", "RabbitMQ", "client");

    private readonly List<string> _notes = [];
    private readonly List<(int Waiting, (double Gateway, double Queue) Memory)> _waiting = [];
    private long _maxTaken, _maxInside;
    private int _entered;

    /// <summary>The first customers enter.</summary>
    public async Task EnterFewAsync(TimeSpan limit, CancellationToken cancellation) =>
        _entered += (await load.EnterAsync(cluster.Gateway, false, 0, QueuePlan.Few, 1, limit, poll: false, cancellation)).Count;

    /// <summary>
    /// The first customers poll without a pause: the cost of a poll without a crowd, and with a crowd that does not poll.
    /// </summary>
    public async Task PollFewAsync(TimeSpan time, int connections, CancellationToken cancellation)
    {
        await load.PollOftenAsync(cluster.Gateway, QueuePlan.Few, connections, time, cancellation);
        load.Restart();
        var before = CpuTimes();
        var watch = Stopwatch.StartNew();
        await load.PollOftenAsync(cluster.Gateway, QueuePlan.Few, connections, time, cancellation);
        Add($"poll by {QueuePlan.Few} customers, {_entered:N0} waiting", load.Polls, watch.Elapsed, before);
        _waiting.Add((_entered, Memory()));
    }

    /// <summary>Most customers enter before the sale, directly at the queue service.</summary>
    public async Task EnterEarlyAsync(int connections, TimeSpan limit, CancellationToken cancellation)
    {
        var before = CpuTimes();
        var (count, seconds, latencies) = await load.EnterAsync(cluster.Queue, true, QueuePlan.Few, plan.Early, connections, limit,
            poll: false, cancellation);
        _entered += count;
        Add("entry, at the queue service", latencies, TimeSpan.FromSeconds(seconds), before);
        _notes.Add($"Entries committed per second at the queue service: {QueueBenchmark.JudgeEntries(count / seconds)}.");
    }

    /// <summary>The sale: the other customers enter through the gateway, all poll, and admitted ones buy or vanish.</summary>
    public async Task SellAsync(int connections, int nearConnections, CancellationToken cancellation)
    {
        var open = TimeSpan.FromMinutes(plan.Minutes);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await using var watch = new SlotWatch(cluster.DatabaseOf(Queue), plan.Capacity);
        load.Restart();
        var running = load.RunAsync(cluster.Gateway, connections, nearConnections, end.Token);
        load.StartPolling(plan.Early);
        var whole = Stopwatch.StartNew();
        (await QueueBenchmark.SetAsync(operators, plan, paused: false)).EnsureSuccessStatusCode();

        var entries = await load.EnterAsync(cluster.Gateway, false, plan.Early, plan.Customers, connections / 2, open / 2, poll: true,
            cancellation);
        _entered += entries.Count;
        Add("entry, at the gateway, beside polls", entries.Latencies, TimeSpan.FromSeconds(entries.Seconds), null);
        Add("poll, beside entries", load.Polls, whole.Elapsed, null);
        load.Restart();
        var before = CpuTimes();
        var alone = Stopwatch.StartNew();
        await Task.WhenAny(running, Task.Delay(open > whole.Elapsed ? open - whole.Elapsed : TimeSpan.Zero, cancellation));
        Add($"poll, {_entered:N0} entered", load.Polls, alone.Elapsed, before);
        Add("fetching a pass", load.Claims, whole.Elapsed, null);
        var memory = Memory();
        await end.CancelAsync();
        await running;
        await watch.EndAsync();
        Note(watch, memory);
    }

    /// <summary>Waits until the queue service has handled all purchases, and compares the totals.</summary>
    public async Task<List<string>> FaultsAsync(BookingStub booking, CancellationToken cancellation)
    {
        var database = cluster.DatabaseOf(Queue);
        const string completed = """SELECT count(*) FROM "QueueTokens" WHERE "Status" = 'Completed'""";
        await Eventually.TrueAsync(
            async () => booking.Left == 0 && await NumberAsync(completed) == load.Paid, DrainLimit,
            "the queue service has recorded all purchases");
        var faults = new List<string>();
        Check("places", await NumberAsync("""SELECT count(*) FROM "QueueTokens" """), _entered);
        Check("numbers issued", await NumberAsync("""SELECT "NextNumber" - 1 FROM "QueueCounters" WHERE "ConcertId" = 1"""), _entered);
        Check("passes fetched", await NumberAsync("""SELECT count(*) FROM "QueueTokens" WHERE "ClaimedAt" IS NOT NULL"""), load.Claimed);
        Check("offers out of order", await NumberAsync("""
            SELECT count(*) FROM (SELECT "Number",
                max("Number") OVER (ORDER BY "ClaimUntil" RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP) AS before
                FROM "QueueTokens" WHERE "ClaimUntil" IS NOT NULL) AS offers WHERE before > "Number"
            """), 0);
        Check("entries passed over", await NumberAsync("""
            SELECT count(*) FROM "QueueTokens"
            WHERE ("ClaimUntil" IS NULL) <> ("Number" > (SELECT "Serving" FROM "QueueCounters" WHERE "ConcertId" = 1))
            """), 0);
        Check("numbers not above one issued before the request", load.Overtaken, 0);
        Check("polls with a worse position", load.Worse, 0);
        var expectedPlaces = crowd.Customers.Index().Where(pair => pair.Item.State != CustomerState.Away)
            .ToDictionary(pair => CrowdRequestWriter.UserOf(pair.Index), pair => (pair.Item.TokenId, (long)pair.Item.Number));
        var wrongPlaces = 0;
        await using var command = database.CreateCommand("""SELECT "UserId", "TokenId", "Number" FROM "QueueTokens" """);
        await using var rows = await command.ExecuteReaderAsync(cancellation);
        while (await rows.ReadAsync(cancellation))
        {
            if (!expectedPlaces.Remove(rows.GetString(0), out var place) || place != (rows.GetGuid(1), rows.GetInt64(2)))
                wrongPlaces++;
        }
        Check("places that differ from the customer's token", wrongPlaces + expectedPlaces.Count, 0);
        if (_maxInside > plan.Capacity || _maxTaken > plan.Capacity)
            faults.Add($"more customers than slots: {_maxInside} inside and {_maxTaken} slots taken of {plan.Capacity}");
        return faults;

        Task<long> NumberAsync(string sql) => cluster.NumberAsync(Queue, sql);

        void Check(string what, long found, long expected)
        {
            if (found != expected)
                faults.Add($"{what}: {found}, expected {expected}");
        }
    }

    public string Describe() => $"""
        {plan.Customers:N0} customers, {plan.Capacity} slots, {plan.BatchSize} admitted every 5 s, offers valid for {plan.WindowSeconds} s;
        {plan.Vanish:P0} vanish near the front, the others stay {plan.StaySeconds:0} s on average. Open for {plan.Minutes} minutes.

        {_table}
        {string.Join('\n', _notes.Select(note => $"- {note}"))}
        """;

    private void Note(SlotWatch watch, (double Gateway, double Queue) memory)
    {
        _maxTaken = watch.MaxTaken;
        _maxInside = watch.MaxInside;
        var full = watch.Full;
        var whole = watch.Whole;
        var use = QueueBenchmark.JudgeUse(full.InsideOf(plan.Capacity));
        var slots = $"{watch.MaxInside} inside and {watch.MaxTaken} slots taken of {plan.Capacity}";
        _notes.Add($"Maximum: {slots}, in {watch.Reads} reads of the database.");
        _notes.Add($"Slot use while customers wait, after all slots were taken once: {use} with a pass fetched, "
            + $"{full.TakenOf(plan.Capacity):0.00} taken;\n"
            + $"  from the opening {whole.InsideOf(plan.Capacity):0.00} and {whole.TakenOf(plan.Capacity):0.00}.");
        _notes.Add($"{load.Claimed:N0} fetched a pass and {load.Paid:N0} of them bought; "
            + $"{load.Vanished:N0} vanished before ({load.VanishedInside} with a pass),\n"
            + $"  {load.TooLate} came too late; {load.Refused} answers were 429 or 503.");
        _notes.Add($"Polls on this machine were late: by {load.DelaySeconds(false):0.0} s on average, "
            + $"near the front by {load.DelaySeconds(true):0.0} s.");
        var gateway = string.Join(", ", _waiting.Select(sample => $"{sample.Memory.Gateway / 1e6:0} MB with {sample.Waiting:N0} waiting"));
        _notes.Add($"Private memory of the gateway: {gateway} (both times {QueuePlan.Few} customers poll),\n"
            + $"  {memory.Gateway / 1e6:0} MB after {_entered:N0} have polled.");
        var queue = string.Join(", ", _waiting.Select(sample => $"{sample.Memory.Queue / 1e6:0} MB with {sample.Waiting:N0} waiting"));
        _notes.Add($"Private memory of the queue service: {queue}, {memory.Queue / 1e6:0} MB at the end.");
    }

    private void Add(string part, Histogram latencies, TimeSpan time, Dictionary<string, double>? before)
    {
        var after = before is null ? null : CpuTimes();
        _table.Add([part, $"{latencies.Count / time.TotalSeconds:N0}", $"{latencies.Percentile(0.5):0.0}",
            $"{latencies.Percentile(0.99):0.0}",
            .. Parts.Select(name => after is null ? "–" : $"{(after[name] - before![name]) * 1000 / Math.Max(1, latencies.Count):0}")]);
        Console.WriteLine($"{part}: {latencies.Count:N0} in {time.TotalSeconds:0} s");
    }

    private Dictionary<string, double> CpuTimes()
    {
        var times = cluster.CpuTimes();
        times[Client] = CpuTime.Of(Environment.ProcessId);
        return times;
    }

    private (double Gateway, double Queue) Memory() =>
        (ResidentMemory.PrivateOf(cluster.Processes[Gateway]), ResidentMemory.PrivateOf(cluster.Processes[Queue]));
}
