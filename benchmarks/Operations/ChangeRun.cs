using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>
/// Cancels all reservations of one sold schedule in bulk, and another sold schedule as a whole, beside the sale of other concerts.
/// Afterwards every customer must have exactly one refund, and the data platform each cancellation.
/// </summary>
internal sealed class ChangeRun(Cluster cluster, OperatorClient client, SteadySale sale, OperationsPlan plan)
{
    private const int DryRuns = 10, FirstSchedule = 20_001;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(250), Limit = TimeSpan.FromMinutes(30);

    private readonly Table _changes =
        new("change", "seconds: sent", "all cancelled", "data platform told", "per second", "commands resent", "CPU ms each");

    private readonly Table _parts = new(["CPU ms each", .. cluster.Processes.Keys.Order()]);

    private readonly Table _sales = new("sale of other concerts", "reservations", "p50 ms", "p99");

    /// <param name="faults">Receives what is wrong afterwards.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    /// <returns>The tables, as text of the page.</returns>
    public async Task<string> RunAsync(List<string> faults, CancellationToken cancellationToken)
    {
        var bulk = new PaidSchedule(cluster, FirstSchedule, plan.Seats);
        var whole = new PaidSchedule(cluster, FirstSchedule + 1, plan.Seats);
        await bulk.FillAsync(cancellationToken);
        await whole.FillAsync(cancellationToken);
        await sale.WarmAsync(cancellationToken);
        AddSale("alone", await sale.SellAsync(await sale.SignInAsync(cancellationToken), cancellationToken));

        var dryRuns = new Table("dry run", "p50 ms", "maximum");
        var (selection, times) = await DryRunAsync(new { scheduleId = FirstSchedule }, cancellationToken);
        dryRuns.Add("the reservations of a schedule", Text(times.Median), Text(times.Max));
        (_, times) = await DryRunAsync(new { status = "Confirmed" }, cancellationToken);
        dryRuns.Add("the oldest confirmed reservations of all", Text(times.Median), Text(times.Max));

        const string reason = "The venue is closed.";
        faults.AddRange(await MeasureAsync(
            "cancellation in bulk", bulk, "reservations/cancel", new { selection, reason }, null, cancellationToken));
        var closed = new ClosedSale(sale.Http, whole);
        await closed.SignInAsync();
        faults.AddRange(await MeasureAsync(
            "cancellation of a schedule", whole, $"schedules/{whole.ScheduleId}/cancel", new { reason }, closed, cancellationToken));
        var totals = faults.Count == 0
            ? "Totals are right: each customer has one refund and the points of before, the ledger adds up, all seats are available,\n"
                + $"the data platform has each cancellation once, and {closed.Refused} attempts to buy a seat of the cancelled schedule "
                + "were\nrefused."
            : "Totals are wrong.";
        return string.Create(CultureInfo.InvariantCulture, $"""
            {plan.Seats:#,0} reservations of one paid seat each, by as many customers; {DryRuns} dry runs. Customers of other concerts
            reserve {plan.Rate} seats per second for {plan.Seconds} s from the beginning of each change, from the request to the
            confirmation.

            {dryRuns}
            {_changes}
            {_parts}
            {_sales}
            {totals}
            """);
    }

    private async Task<List<string>> MeasureAsync(
        string name, PaidSchedule schedule, string path, object body, ClosedSale? closed, CancellationToken cancellationToken)
    {
        var customers = await sale.SignInAsync(cancellationToken);
        var cpu = cluster.CpuTimes();
        var started = Stopwatch.GetTimestamp();
        var selling = sale.SellAsync(customers, cancellationToken);
        var (answer, _) = await client.PostAsync("operations", $"/ops/api/{path}", body, cancellationToken);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attempts = closed?.TryAsync(ended.Token) ?? Task.CompletedTask;
        var operation = default(JsonElement);
        var sent = await UntilAsync(started, async () =>
        {
            (operation, _) = await client.GetAsync(
                "operations", $"/ops/api/operations/{answer.GetProperty("operationId").GetString()}", cancellationToken);
            return operation.GetProperty("status").GetString() is not "Running";
        });
        var cancelled = await UntilAsync(started, async () => await schedule.CancelledAsync() == plan.Seats);
        var told = await UntilAsync(started, async () => await schedule.ToldAsync() == plan.Seats);
        await ended.CancelAsync();
        await attempts;
        AddSale($"beside the {name}", await selling);
        var each = cluster.CpuTimes().ToDictionary(pair => pair.Key, pair => (pair.Value - cpu[pair.Key]) / plan.Seats);
        _changes.Add(name, Text(sent), Text(cancelled), Text(told), Text(plan.Seats / cancelled), Text(await schedule.ResentAsync()),
            Text(each.Values.Where(double.IsFinite).Sum()));
        _parts.Add([name, .. each.OrderBy(pair => pair.Key).Select(pair => pair.Value.ToString("0.0", CultureInfo.InvariantCulture))]);
        return [.. FaultsOf(name, operation, closed), .. await schedule.FaultsAsync(), .. closed?.Faults ?? []];
    }

    // An attempt to buy that is refused a moment later may still be chosen, and is then skipped.
    private IEnumerable<string> FaultsOf(string name, JsonElement operation, ClosedSale? closed)
    {
        var skipped = Number("skipped");
        var found = (operation.GetProperty("status").GetString(), Number("succeeded"), Number("failed"), Number("matched") - skipped);
        if (found != ("Completed", plan.Seats, 0, plan.Seats) || skipped > (closed?.Refused ?? 0))
            yield return $"the {name}: {found}, {skipped} skipped, expected {plan.Seats} that succeeded";

        int Number(string member) => operation.GetProperty(member).GetInt32();
    }

    private async Task<(Guid Selection, Samples Times)> DryRunAsync(object filter, CancellationToken cancellationToken)
    {
        var times = new List<double>();
        var answer = default(JsonElement);
        for (var run = 0; run < DryRuns; run++)
        {
            (answer, var milliseconds) = await client.PostAsync(
                "operations", "/ops/api/reservations/cancel", new { filter, limit = plan.Seats, dryRun = true }, cancellationToken);
            times.Add(milliseconds);
        }
        return answer.GetProperty("matched").GetInt32() is var matched && matched == plan.Seats
            ? (answer.GetProperty("selection").GetGuid(), new Samples(times))
            : throw new BenchmarkException($"a dry run matched {matched} reservations, expected {plan.Seats}.");
    }

    private void AddSale(string name, double[] latencies) =>
        _sales.Add(name, Text(latencies.Length), Text(Samples.Percentile(latencies, 0.5)), Text(Samples.Percentile(latencies, 0.99)));

    /// <returns>Seconds until it is true.</returns>
    private static async Task<double> UntilAsync(long started, Func<Task<bool>> isTrue)
    {
        while (!await isTrue())
        {
            if (Stopwatch.GetElapsedTime(started) > Limit)
                throw new BenchmarkException("a change was not complete in time.");
            await Task.Delay(Poll);
        }
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static string Text(double number) => number.ToString("#,0", CultureInfo.InvariantCulture);
}
