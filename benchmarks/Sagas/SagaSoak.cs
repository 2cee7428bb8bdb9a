using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// Runs one rate for minutes: memory and tables must not grow. The first minutes only fill pools and the deduplication window.
/// </summary>
internal static class SagaSoak
{
    private const int SliceSeconds = 30;

    // The heap varies by a few percent between slices. A leak would grow by far more at this rate.
    private const double MaxGrowth = 0.10;

    public static async Task<int> RunAsync(ServerPair servers, string machine, SagaPlan plan, CancellationToken cancellation)
    {
        if (plan.Rates is not [var rate])
            throw new BenchmarkException("--soak needs exactly one --rate.");
        await using var run = await SagaRun.StartAsync(servers, SagaVariantFactory.Ours, SagaVariantFactory.Ours, plan.Concurrency, plan);
        await run.StartRoundAsync();
        var samples = new List<SoakSample>();
        var table = new Table("minute", "objects MB", "process MB", "inbox rows", "outbox rows", "p50 ms", "p99 ms");
        while (samples.Count * SliceSeconds < plan.SoakMinutes * 60)
        {
            cancellation.ThrowIfCancellationRequested();
            var sample = await run.SoakAsync(rate, SliceSeconds);
            samples.Add(sample);
            var minute = samples.Count * SliceSeconds / 60.0;
            Console.WriteLine($"{minute:0.0} min: {sample}");
            if (samples.Count % 2 == 0)
                table.Add($"{minute:0}", $"{sample.LiveMegabytes:0.0}", $"{sample.ResidentMegabytes:0}", $"{sample.Inbox:0}",
                    $"{sample.Outbox:0}", $"{sample.P50:0.0}", $"{sample.P99:0.0}");
        }
        await run.CheckAsync(ignoreInbox: true);

        var judged = samples.Skip(Math.Min(2 * (SagaPlan.SoakMemorySeconds / SliceSeconds), samples.Count / 3)).ToList();
        var early = judged.Take(judged.Count / 2);
        var late = judged.Skip(judged.Count / 2);
        double Growth(Func<SoakSample, double> figure) =>
            new Samples(late.Select(figure)).Median / new Samples(early.Select(figure)).Median - 1;
        // The rows of one window, plus those that expire between two cleanups.
        var maxRows = SagaBenchmark.MessagesPerSaga * rate * (SagaPlan.SoakMemorySeconds + 15);
        var objects = Growth(sample => sample.LiveMegabytes);
        var rows = judged.Max(sample => sample.Inbox);
        var windowRows = SagaBenchmark.MessagesPerSaga * rate * SagaPlan.SoakMemorySeconds;
        if (objects > MaxGrowth)
            run.Faults.Add($"objects grew by {objects:P0}");
        if (rows > maxRows)
            run.Faults.Add($"the inboxes have {rows} rows; allowed: {maxRows}");
        var text = $"""
            {machine}
            {rate} sagas per second for {plan.SoakMinutes} minutes; inbox entries are kept for {SagaPlan.SoakMemorySeconds} s.
            Objects are measured after a full collection.
            Growth of objects from the first to the second half, after the window was full: {objects:+0%;-0%}.
            Maximum: {rows:0} inbox rows; a window has {windowRows}.

            {table}
            """;
        Console.WriteLine();
        Console.WriteLine(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("saga-soak", text);
        run.Faults.ForEach(fault => Console.Error.WriteLine($"benchmarks: {fault}"));
        return run.Faults.Count == 0 ? 0 : 1;
    }
}
