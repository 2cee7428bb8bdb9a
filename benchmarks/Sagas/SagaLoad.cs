using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// Sagas that are started together, and when each became final: at the return of the handling of its last message, when the transaction of
/// the final state is committed and just before that message is acknowledged. Every variant reports that moment.
/// </summary>
internal sealed class SagaLoad
{
    private readonly Guid[] _ids;
    private readonly Dictionary<Guid, int> _places;
    private readonly long[] _started;
    private readonly long[] _finished;
    private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _left;

    private SagaLoad(int count)
    {
        _ids = [.. Enumerable.Range(0, count).Select(_ => Guid.CreateVersion7())];
        _places = _ids.Select((id, place) => (id, place)).ToDictionary(one => one.id, one => one.place);
        (_started, _finished, _left) = (new long[count], new long[count], count);
    }

    private static SagaLoad? Present { get; set; }

    /// <summary>Called by the variants.</summary>
    public static void Finished(Guid sagaId)
    {
        if (Present is not { } load || !load._places.TryGetValue(sagaId, out var place))
            return;
        if (Interlocked.CompareExchange(ref load._finished[place], Stopwatch.GetTimestamp(), 0) == 0 && Interlocked.Decrement(ref load._left) == 0)
            load._all.TrySetResult();
    }

    /// <summary>Starts all as fast as the broker takes them.</summary>
    public static Task<LoadResult> BurstAsync(int count, Func<Guid, Task> start) => RunAsync(count, load => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = 128 }, async (place, _) => await load.StartAsync(place, start)));

    /// <summary>Starts them at a steady rate, whether or not earlier ones are done.</summary>
    public static Task<LoadResult> SteadyAsync(int count, double perSecond, Func<Guid, Task> start) => RunAsync(count, async load =>
    {
        var watch = Stopwatch.StartNew();
        var sent = new List<Task>(count);
        for (var place = 0; place < count; place++)
        {
            var wait = TimeSpan.FromSeconds(place / perSecond) - watch.Elapsed;
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
            sent.Add(load.StartAsync(place, start));
        }
        await Task.WhenAll(sent);
    });

    private static async Task<LoadResult> RunAsync(int count, Func<SagaLoad, Task> start)
    {
        // The sagas of a burst go through their steps side by side, so that none is final until nearly all are.
        var patience = TimeSpan.FromSeconds(60 + count / 10);
        var load = Present = new SagaLoad(count);
        var allocated = GC.GetTotalAllocatedBytes();
        await start(load);
        for (var (left, seen) = (-1, Stopwatch.GetTimestamp()); !load._all.Task.IsCompleted;)
        {
            await Task.WhenAny(load._all.Task, Task.Delay(1000));
            if (left != load._left)
                (left, seen) = (load._left, Stopwatch.GetTimestamp());
            else if (Stopwatch.GetElapsedTime(seen) > patience)
                throw new BenchmarkException($"{left} of {count} sagas did not become final, and none in the last {patience.TotalSeconds:0} s.");
        }
        Present = null;
        double[] latencies = [.. load._started.Zip(load._finished, (from, to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds).Order()];
        return new LoadResult(
            count, Stopwatch.GetElapsedTime(load._started.Min(), load._finished.Max()).TotalSeconds,
            Samples.Percentile(latencies, 0.5), Samples.Percentile(latencies, 0.99), GC.GetTotalAllocatedBytes() - allocated);
    }

    private Task StartAsync(int place, Func<Guid, Task> start)
    {
        _started[place] = Stopwatch.GetTimestamp();
        return start(_ids[place]);
    }
}

/// <summary>What a load came to.</summary>
/// <param name="Sagas">How many.</param>
/// <param name="Seconds">From the first start to the last final state.</param>
/// <param name="P50">Milliseconds from start to final state, median.</param>
/// <param name="P99">The same, 99th percentile.</param>
/// <param name="AllocatedBytes">By the process of the variant.</param>
/// <param name="LiveBytes">What it still has of them after a full collection, where that was asked for.</param>
public sealed record LoadResult(int Sagas, double Seconds, double P50, double P99, long AllocatedBytes, long? LiveBytes = null);
