using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>One rate for many minutes: memory and tables must not grow. The first minutes fill pools and the inbox's window and are not judged.</summary>
internal static class SagaSoak
{
    private const int SliceSeconds = 30;

    // A heap that is measured in slices moves by a few percent; what leaks at this rate moves by far more.
    private const double GrowthAllowed = 0.10;

    public static async Task<int> RunAsync(Servers servers, string machine, SagaPlan plan, CancellationToken cancellation)
    {
        if (plan.Rates is not [var rate])
            throw new BenchmarkException("--soak needs exactly one --rate.");
        await using var run = await SagaRun.StartAsync(servers, SagaVariants.Ours, SagaVariants.Ours, plan.Concurrency, plan);
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
                table.Add($"{minute:0}", $"{sample.LiveMegabytes:0.0}", $"{sample.ResidentMegabytes:0}", $"{sample.Inbox:0}", $"{sample.Outbox:0}", $"{sample.P50:0.0}", $"{sample.P99:0.0}");
        }
        await run.CheckAsync(forgetful: true);

        var judged = samples.Skip(Math.Min(2 * (SagaPlan.SoakMemorySeconds / SliceSeconds), samples.Count / 3)).ToList();
        var (early, late) = (judged.Take(judged.Count / 2), judged.Skip(judged.Count / 2));
        double Growth(Func<SoakSample, double> figure) => new Samples(late.Select(figure)).Median / new Samples(early.Select(figure)).Median - 1;
        // What arrives within the window, and between two looks for what is older.
        var mostRows = SagaBenchmark.MessagesPerSaga * rate * (SagaPlan.SoakMemorySeconds + 15);
        var (objects, rows) = (Growth(one => one.LiveMegabytes), judged.Max(one => one.Inbox));
        if (objects > GrowthAllowed)
            run.Faults.Add($"objects grew by {objects:P0}");
        if (rows > mostRows)
            run.Faults.Add($"the inboxes have {rows} rows; allowed: {mostRows}");
        var text = $"""
            {machine}
            {rate} sagas a second for {plan.SoakMinutes} minutes; messages are remembered for {SagaPlan.SoakMemorySeconds} s. Objects are counted after a full collection. From the first to the second half after the window was full: objects {objects:+0%;-0%}. At most {rows:0} inbox rows; a window has {SagaBenchmark.MessagesPerSaga * rate * SagaPlan.SoakMemorySeconds}.

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
