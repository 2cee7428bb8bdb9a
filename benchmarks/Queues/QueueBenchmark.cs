using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>
/// Simulates the opening of a sale. Most customers enter before it, directly at the queue service, to measure the speed of entries. The
/// others enter through the gateway during the sale. All poll when the gateway asks them to, until the time is over.
/// </summary>
internal static class QueueBenchmark
{
    private const int EntryConnections = 128, Connections = 64, NearConnections = 16, FewConnections = 8;

    private const double MinUse = 0.8, MinEntries = 5000;

    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(30), EntryLimit = TimeSpan.FromMinutes(10);

    public static async Task<int> RunAsync(QueuePlan plan, CancellationToken cancellation)
    {
        var clock = TimeProvider.System;
        var bearerKey = RandomNumberGenerator.GetBytes(32);
        await using var cluster = await Cluster.StartAsync(
            [
                // A few customers poll far more often than real ones.
                "--RateLimits:Poll:Burst=1000000", "--RateLimits:Poll:PerSecond=1000000",
                $"--Authentication:Demo:Key={Convert.ToBase64String(bearerKey)}"
            ],
            "queue", "seats", "gateway");
        var machine = await Machine.DescribeAsync(cluster.Database, cluster.Broker);
        Console.WriteLine(machine);
        await using var booking = await BookingStub.OpenAsync(cluster.Broker, clock, cancellation);
        using var operators = new HttpClient { BaseAddress = cluster.Queue };
        operators.DefaultRequestHeaders.Add(InnerWall.SecretHeader, cluster.Secret);
        operators.DefaultRequestHeaders.Add(Caller.UserIdHeader, "olga");
        operators.DefaultRequestHeaders.Add(Caller.UserRolesHeader, "ops");
        await Eventually.TrueAsync(async () => (await SetAsync(operators, plan, paused: true)).IsSuccessStatusCode, ReadyLimit,
            "the waiting room exists");

        var crowd = new Crowd(plan.Customers, plan.Near, clock);
        var load = new CrowdLoad(plan, crowd, new CrowdRequestWriter(bearerKey, cluster.Secret, clock.GetUtcNow()), booking);
        var run = new QueueRun(plan, cluster, crowd, load, operators);
        var pollTime = TimeSpan.FromMinutes(Math.Min(plan.Minutes / 10, 0.25));
        await run.EnterFewAsync(EntryLimit, cancellation);
        await run.PollFewAsync(pollTime, FewConnections, cancellation);
        await run.EnterEarlyAsync(EntryConnections, EntryLimit, cancellation);
        await run.PollFewAsync(pollTime, FewConnections, cancellation);
        await run.SellAsync(Connections, NearConnections, cancellation);
        var faults = await run.FaultsAsync(booking, cancellation);

        var text = $"""
            {machine}
            {run.Describe()}
            """;
        Console.WriteLine();
        Console.WriteLine(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("queue", text);
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0
            ? "Totals are right: every place is unique, in order and with its customer; all passes and purchases are recorded."
            : "Totals are wrong.");
        return faults.Count == 0 ? 0 : 1;
    }

    /// <summary>Changes the settings of the waiting room; the others keep the product's defaults.</summary>
    public static Task<HttpResponseMessage> SetAsync(HttpClient operators, QueuePlan plan, bool paused)
    {
        var claimWindow = TimeSpan.FromSeconds(plan.WindowSeconds);
        return operators.PatchAsJsonAsync(
            $"/ops/api/waiting-rooms/{QueuePlan.ConcertId}",
            new { capacity = plan.Capacity, batchSize = plan.BatchSize, claimWindow, paused, reason = "A step of the benchmark." });
    }

    public static string Judge(double reached, double minimum, string format) =>
        double.IsNaN(reached) ? "not reached"
        : $"{reached.ToString(format, CultureInfo.InvariantCulture)} (minimum: {minimum.ToString(format, CultureInfo.InvariantCulture)})";

    public static string JudgeUse(double use) => Judge(use, MinUse, "0.00");

    public static string JudgeEntries(double perSecond) => Judge(perSecond, MinEntries, "0");
}
