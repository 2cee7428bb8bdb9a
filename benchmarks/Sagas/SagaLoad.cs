using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// A load of sagas. A saga ends when the handling of its last message returns: the transaction of the final state is committed, and the
/// acknowledgement follows. Every variant reports that moment.
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
        _places = _ids.Select((id, place) => (id, place)).ToDictionary(pair => pair.id, pair => pair.place);
        _started = new long[count];
        _finished = new long[count];
        _left = count;
    }

    private static SagaLoad? Current { get; set; }

    /// <summary>Records the end of a saga. The variants call it.</summary>
    public static void Finished(Guid sagaId)
    {
        if (Current is not { } load || !load._places.TryGetValue(sagaId, out var place))
            return;
        if (Interlocked.CompareExchange(ref load._finished[place], Stopwatch.GetTimestamp(), 0) == 0
            && Interlocked.Decrement(ref load._left) == 0)
            load._all.TrySetResult();
    }

    /// <summary>Starts all sagas as fast as the broker accepts them.</summary>
    public static Task<LoadResult> BurstAsync(int count, Func<Guid, Task> start) => RunAsync(count, load => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = 128 }, async (place, _) => await load.StartAsync(place, start)));

    /// <summary>Starts sagas at a steady rate, whether or not earlier ones have ended.</summary>
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
        // The sagas of a burst advance in parallel, so the first ends shortly before the last.
        var timeout = TimeSpan.FromSeconds(60 + count / 10);
        var load = Current = new SagaLoad(count);
        var allocated = GC.GetTotalAllocatedBytes();
        await start(load);
        var left = -1;
        var changed = Stopwatch.GetTimestamp();
        while (!load._all.Task.IsCompleted)
        {
            await Task.WhenAny(load._all.Task, Task.Delay(1000));
            if (left != load._left)
            {
                left = load._left;
                changed = Stopwatch.GetTimestamp();
            }
            else if (Stopwatch.GetElapsedTime(changed) > timeout)
            {
                throw new BenchmarkException(
                    $"{left} of {count} sagas did not end, and none ended in the last {timeout.TotalSeconds:0} s.");
            }
        }
        Current = null;
        double[] latencies = [.. load._started.Zip(load._finished, (from, to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds)
            .Order()];
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

/// <summary>Result of a load.</summary>
/// <param name="Sagas">Number of sagas.</param>
/// <param name="Seconds">From the first start to the last final state.</param>
/// <param name="P50">Milliseconds from start to final state, median.</param>
/// <param name="P99">The same, 99th percentile.</param>
/// <param name="AllocatedBytes">Bytes the variant's process allocated.</param>
/// <param name="LiveBytes">Live bytes after a full collection, if requested.</param>
public sealed record LoadResult(int Sagas, double Seconds, double P50, double P99, long AllocatedBytes, long? LiveBytes = null);
