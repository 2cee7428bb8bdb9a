using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>One simulated sale, part by part, and what was measured in each.</summary>
internal sealed class QueueRun(QueuePlan plan, Cluster cluster, Crowd crowd, CrowdLoad load, HttpClient operators)
{
    private const string Gateway = "gateway", Queue = "queue", Postgres = "postgres", Broker = "rabbitmq", Client = "people";

    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(30);

    private static readonly string[] Parts = [Gateway, Queue, Postgres, Broker, Client];

    private readonly Table _table = new("part", "per second", "p50 ms", "p99 ms", "CPU µs each: gateway", "queue", "PostgreSQL", "RabbitMQ", "people");
    private readonly List<string> _notes = [];
    private readonly List<(int Waiting, (double Gateway, double Queue) Memory)> _waiting = [];
    private long _mostTaken, _mostInside;
    private int _entered;

    /// <summary>The first few enter.</summary>
    public async Task EnterFewAsync(TimeSpan limit, CancellationToken cancellation) =>
        _entered += (await load.EnterAsync(cluster.Gateway, false, 0, QueuePlan.Few, 1, limit, poll: false, cancellation)).Count;

    /// <summary>They ask all the time: what a poll costs with nobody else in line, and with a crowd behind them that only waits.</summary>
    public async Task AskFewAsync(TimeSpan time, int connections, CancellationToken cancellation)
    {
        await load.AskOftenAsync(cluster.Gateway, QueuePlan.Few, connections, time, cancellation);
        load.Restart();
        var (before, watch) = (CpuTimes(), Stopwatch.StartNew());
        await load.AskOftenAsync(cluster.Gateway, QueuePlan.Few, connections, time, cancellation);
        Add($"poll by {QueuePlan.Few} people, {_entered:N0} waiting", load.Polls, watch.Elapsed, before);
        _waiting.Add((_entered, Memory()));
    }

    /// <summary>Most people enter at the queue service itself, before the sale.</summary>
    public async Task EnterEarlyAsync(int connections, TimeSpan limit, CancellationToken cancellation)
    {
        var before = CpuTimes();
        var (count, seconds, latencies) = await load.EnterAsync(cluster.Queue, true, QueuePlan.Few, plan.Early, connections, limit, poll: false, cancellation);
        _entered += count;
        Add("entry, at the queue service", latencies, TimeSpan.FromSeconds(seconds), before);
        _notes.Add($"Entries committed per second at the queue service: {QueueBenchmark.JudgeEntries(count / seconds)}.");
    }

    /// <summary>The sale: the others enter through the gateway, everybody asks, those let in buy or do not.</summary>
    public async Task SellAsync(int connections, int nearConnections, CancellationToken cancellation)
    {
        var open = TimeSpan.FromMinutes(plan.Minutes);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await using var watch = new RoomWatch(cluster.DatabaseOf(Queue), plan.Capacity);
        load.Restart();
        var living = load.LiveAsync(cluster.Gateway, connections, nearConnections, end.Token);
        load.StartAsking(plan.Early);
        var (before, whole) = (CpuTimes(), Stopwatch.StartNew());
        (await QueueBenchmark.SetAsync(operators, plan, paused: false)).EnsureSuccessStatusCode();

        var entries = await load.EnterAsync(cluster.Gateway, false, plan.Early, plan.People, connections / 2, open / 2, poll: true, cancellation);
        _entered += entries.Count;
        Add("entry, at the gateway, beside polls", entries.Latencies, TimeSpan.FromSeconds(entries.Seconds), null);
        Add("poll, beside entries", load.Polls, whole.Elapsed, null);
        load.Restart();
        (before, var alone) = (CpuTimes(), Stopwatch.StartNew());
        await Task.WhenAny(living, Task.Delay(open > whole.Elapsed ? open - whole.Elapsed : TimeSpan.Zero, cancellation));
        Add($"poll, {_entered:N0} entered", load.Polls, alone.Elapsed, before);
        Add("fetching a pass", load.Claims, whole.Elapsed, null);
        var memory = Memory();
        await end.CancelAsync();
        await living;
        await watch.EndAsync();
        Note(watch, memory);
    }

    /// <summary>Waits until all is handled, and counts.</summary>
    public async Task<List<string>> FaultsAsync(Door door, CancellationToken cancellation)
    {
        var database = cluster.DatabaseOf(Queue);
        await Eventually.TrueAsync(async () => door.Left == 0 && await NumberAsync("""SELECT count(*) FROM "QueueTokens" WHERE "Status" = 'Completed'""") == load.Paid,
            DrainLimit, "all purchases are known to the queue service");
        var faults = new List<string>();
        Check("places", await NumberAsync("""SELECT count(*) FROM "QueueTokens" """), _entered);
        Check("numbers given", await NumberAsync("""SELECT "NextNumber" - 1 FROM "QueueCounters" WHERE "ConcertId" = 1"""), _entered);
        Check("passes fetched", await NumberAsync("""SELECT count(*) FROM "QueueTokens" WHERE "ClaimedAt" IS NOT NULL"""), load.Claimed);
        Check("offers to somebody behind before somebody ahead", await NumberAsync("""
            SELECT count(*) FROM (SELECT "Number",
                max("Number") OVER (ORDER BY "ClaimUntil" RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP) AS before
                FROM "QueueTokens" WHERE "ClaimUntil" IS NOT NULL) AS offers WHERE before > "Number"
            """), 0);
        Check("people passed over", await NumberAsync("""
            SELECT count(*) FROM "QueueTokens" WHERE ("ClaimUntil" IS NULL) <> ("Number" > (SELECT "Serving" FROM "QueueCounters" WHERE "ConcertId" = 1))
            """), 0);
        Check("places above one given before they were asked for", load.Overtaken, 0);
        Check("places that got worse", load.Worse, 0);
        var held = crowd.People.Index().Where(one => one.Item.State != PersonState.Away).ToDictionary(one => CrowdRequests.UserOf(one.Index), one => (one.Item.TokenId, (long)one.Item.Number));
        var others = 0;
        await using var command = database.CreateCommand("""SELECT "UserId", "TokenId", "Number" FROM "QueueTokens" """);
        await using var rows = await command.ExecuteReaderAsync(cancellation);
        while (await rows.ReadAsync(cancellation))
        {
            if (!held.Remove(rows.GetString(0), out var place) || place != (rows.GetGuid(1), rows.GetInt64(2)))
                others++;
        }
        Check("places that are not what their person was told", others + held.Count, 0);
        if (_mostInside > plan.Capacity || _mostTaken > plan.Capacity)
            faults.Add($"more people than slots: {_mostInside} inside and {_mostTaken} slots taken of {plan.Capacity}");
        return faults;

        Task<long> NumberAsync(string sql) => cluster.NumberAsync(Queue, sql);

        void Check(string what, long found, long expected)
        {
            if (found != expected)
                faults.Add($"{what}: {found}, expected {expected}");
        }
    }

    public string Describe() => $"""
        {plan.People:N0} people, {plan.Capacity} slots, {plan.BatchSize} let in every 5 s, offers good for {plan.WindowSeconds} s; {plan.Vanish:P0} vanish when it is nearly their turn, the others stay {plan.StaySeconds:0} s on average. Open for {plan.Minutes} minutes.

        {_table}
        {string.Join('\n', _notes.Select(note => $"- {note}"))}
        """;

    private void Note(RoomWatch watch, (double Gateway, double Queue) memory)
    {
        (_mostTaken, _mostInside) = (watch.MostTaken, watch.MostInside);
        _notes.Add($"At most {watch.MostInside} inside and {watch.MostTaken} slots taken of {plan.Capacity}, in {watch.Looks} looks into the database.");
        _notes.Add($"Slot use while people wait, from the moment all slots were taken: {QueueBenchmark.JudgeUse(watch.Full.InsideOf(plan.Capacity))} with somebody inside, {watch.Full.TakenOf(plan.Capacity):0.00} taken; from the opening {watch.Whole.InsideOf(plan.Capacity):0.00} and {watch.Whole.TakenOf(plan.Capacity):0.00}.");
        _notes.Add($"{load.Claimed:N0} came in, {load.Paid:N0} of them bought, {load.Vanished:N0} vanished before ({load.VanishedInside} with a pass), {load.TooLate} came too late; {load.Refused} answers were 429 or 503.");
        _notes.Add($"This machine carries so many polls and their people: on average they were sent {load.LateSeconds(false):0.0} s after they were due, those near the front {load.LateSeconds(true):0.0} s.");
        _notes.Add($"Private memory of the gateway: {string.Join(", ", _waiting.Select(one => $"{one.Memory.Gateway / 1e6:0} MB with {one.Waiting:N0} waiting"))} (both times {QueuePlan.Few} people ask), {memory.Gateway / 1e6:0} MB after {_entered:N0} have asked.");
        _notes.Add($"Private memory of the queue service: {string.Join(", ", _waiting.Select(one => $"{one.Memory.Queue / 1e6:0} MB with {one.Waiting:N0} waiting"))}, {memory.Queue / 1e6:0} MB at the end.");
    }

    private void Add(string part, Histogram latencies, TimeSpan time, Dictionary<string, double>? before)
    {
        var after = before is null ? null : CpuTimes();
        _table.Add([part, $"{latencies.Count / time.TotalSeconds:N0}", $"{latencies.Percentile(0.5):0.0}", $"{latencies.Percentile(0.99):0.0}",
            .. Parts.Select(name => after is null ? "–" : $"{(after[name] - before![name]) * 1000 / Math.Max(1, latencies.Count):0}")]);
        Console.WriteLine($"{part}: {latencies.Count:N0} in {time.TotalSeconds:0} s");
    }

    private Dictionary<string, double> CpuTimes()
    {
        var times = cluster.CpuTimes();
        times[Client] = CpuTime.Of(Environment.ProcessId);
        return times;
    }

    private (double Gateway, double Queue) Memory() => (ResidentMemory.PrivateOf(cluster.Processes[Gateway]), ResidentMemory.PrivateOf(cluster.Processes[Queue]));
}
