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
/// The opening of a sale: most of a crowd has entered before, at the queue service itself, so that it can be seen how fast that is; the rest
/// comes through the gateway when the sale is open, and everybody asks again when told to, until the time is over.
/// </summary>
internal static class QueueBenchmark
{
    private const int EntryConnections = 128, Connections = 64, NearConnections = 16, FewConnections = 8;

    private const double LeastUse = 0.8, LeastEntries = 5000;

    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(30), EntryLimit = TimeSpan.FromMinutes(10);

    public static async Task<int> RunAsync(QueuePlan plan, CancellationToken cancellation)
    {
        var clock = TimeProvider.System;
        var bearerKey = RandomNumberGenerator.GetBytes(32);
        await using var cluster = await Cluster.StartAsync("--only=queue,seats,gateway",
            // A few people ask far more often than people do.
            "--RateLimits:Poll:Burst=1000000", "--RateLimits:Poll:PerSecond=1000000", $"--Authentication:Demo:Key={Convert.ToBase64String(bearerKey)}");
        var machine = await Machine.DescribeAsync(cluster.Database, cluster.Broker);
        Console.WriteLine(machine);
        await using var door = await Door.OpenAsync(cluster.Broker, clock, cancellation);
        using var operators = new HttpClient { BaseAddress = cluster.Queue };
        operators.DefaultRequestHeaders.Add(InnerWall.SecretHeader, cluster.Secret);
        operators.DefaultRequestHeaders.Add(Caller.UserIdHeader, "olga");
        operators.DefaultRequestHeaders.Add(Caller.UserRolesHeader, "ops");
        await Eventually.TrueAsync(async () => (await SetAsync(operators, plan, paused: true)).IsSuccessStatusCode, ReadyLimit, "the waiting room is there");

        var crowd = new Crowd(plan.People, plan.Near, clock);
        var load = new CrowdLoad(plan, crowd, new CrowdRequests(bearerKey, cluster.Secret, clock.GetUtcNow()), door);
        var run = new QueueRun(plan, cluster, crowd, load, operators);
        var asking = TimeSpan.FromMinutes(Math.Min(plan.Minutes / 10, 0.25));
        await run.EnterFewAsync(EntryLimit, cancellation);
        await run.AskFewAsync(asking, FewConnections, cancellation);
        await run.EnterEarlyAsync(EntryConnections, EntryLimit, cancellation);
        await run.AskFewAsync(asking, FewConnections, cancellation);
        await run.SellAsync(Connections, NearConnections, cancellation);
        var faults = await run.FaultsAsync(door, cancellation);

        var text = $"""
            {machine}
            {run.Describe()}
            """;
        Console.WriteLine();
        Console.WriteLine(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("queue", text);
        faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: wrong total: {fault}"));
        Console.WriteLine(faults.Count == 0 ? "Totals are right: every place given once, in order and to the person who holds it, every pass and purchase accounted for." : "Totals are wrong.");
        return faults.Count == 0 ? 0 : 1;
    }

    /// <summary>Sets what the room has of its own; everything else is the product's default.</summary>
    public static Task<HttpResponseMessage> SetAsync(HttpClient operators, QueuePlan plan, bool paused) => operators.PutAsJsonAsync(
        $"/ops/api/queue/concerts/{QueuePlan.ConcertId}", new { capacity = plan.Capacity, batchSize = plan.BatchSize, claimWindow = TimeSpan.FromSeconds(plan.WindowSeconds), paused });

    public static string Judge(double reached, double demanded, string format) =>
        double.IsNaN(reached) ? "not reached" : $"{reached.ToString(format, CultureInfo.InvariantCulture)} (at least {demanded.ToString(format, CultureInfo.InvariantCulture)} is asked for)";

    public static string JudgeUse(double use) => Judge(use, LeastUse, "0.00");

    public static string JudgeEntries(double perSecond) => Judge(perSecond, LeastEntries, "0");
}
