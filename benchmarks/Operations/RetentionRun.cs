using System.Diagnostics;
using System.Globalization;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>
/// Customers reserve at a rate, first without the cleaner and then beside it, while it deletes a fifth of the reservations.
/// </summary>
internal static class RetentionRun
{
    private const string Deleted = "SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'Reservations'";

    // A session of the server reports what it has deleted within a second.
    private static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(2);

    public static async Task<string> RunAsync(
        Cluster cluster, SteadySale sale, OperationsPlan plan, string[] settings, CancellationToken cancellationToken)
    {
        await cluster.RestartAsync("orchestrator", settings);
        await sale.WarmAsync(cancellationToken);
        var table = new Table("sale", "reservations", "p50 ms", "p99", "CPU ms/s: orchestrator", "PostgreSQL", "deleted/s");
        await AddAsync("without the cleaner");

        await cluster.RestartAsync("orchestrator", [.. settings, "--Reservation:CleaningInterval=00:00:01"]);
        var before = await cluster.NumberAsync("orchestrator", Deleted);
        while (await cluster.NumberAsync("orchestrator", Deleted) == before)
            await Task.Delay(StatisticsDelay, cancellationToken);
        await AddAsync("beside the cleaner");
        await cluster.RestartAsync("orchestrator", settings);
        return string.Create(CultureInfo.InvariantCulture, $"""
            {plan.Rate} reservations per second for {plan.Seconds} s, each from the request to the confirmation;
            {plan.Rows / 5:#,0} reservations are after their retention when the cleaner starts.

            {table}
            """);

        async Task AddAsync(string name)
        {
            var customers = await sale.SignInAsync(cancellationToken);
            var cpu = cluster.CpuTimes();
            var deleted = await cluster.NumberAsync("orchestrator", Deleted);
            var started = Stopwatch.GetTimestamp();
            var latencies = await sale.SellAsync(customers, cancellationToken);
            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            var perSecond = cluster.CpuTimes().ToDictionary(pair => pair.Key, pair => (pair.Value - cpu[pair.Key]) / seconds);
            deleted = await cluster.NumberAsync("orchestrator", Deleted) - deleted;
            table.Add(name, Text(latencies.Length), Text(Samples.Percentile(latencies, 0.5)), Text(Samples.Percentile(latencies, 0.99)),
                Text(perSecond["orchestrator"]), Text(perSecond["postgres"]), Text(deleted / seconds));
        }
    }

    private static string Text(double number) => number.ToString("#,0", CultureInfo.InvariantCulture);
}
