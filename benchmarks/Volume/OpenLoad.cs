using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Queues;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>What a rate came to.</summary>
internal sealed record OpenResult(double PerSecond, Histogram Latencies);

/// <summary>
/// Sends requests at a rate, whatever becomes of those before. A latency runs from the moment the request was due, so that one that had to
/// wait for a free connection counts its wait.
/// </summary>
internal static class OpenLoad
{
    // Nobody waits longer; with so much waiting the rate is far too high.
    private static readonly TimeSpan MostLate = TimeSpan.FromSeconds(3);

    public static async Task<OpenResult> RunAsync(Uri address, Func<int, byte[]> request, double rate, TimeSpan time, int connections, CancellationToken cancellationToken)
    {
        var (next, latencies, started, total) = (-1, new Histogram(), Stopwatch.GetTimestamp(), (int)(rate * time.TotalSeconds));
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            using var connection = await CrowdConnection.OpenAsync(address, cancellationToken);
            while (Interlocked.Increment(ref next) is var number && number < total)
            {
                var due = TimeSpan.FromSeconds(number / rate);
                var early = due - Stopwatch.GetElapsedTime(started);
                if (early > TimeSpan.Zero)
                    await Task.Delay(early, cancellationToken);
                else if (-early > MostLate)
                    return;
                var bytes = request(number);
                bytes.CopyTo(connection.Request, 0);
                var answer = await connection.SendAsync(bytes.Length, cancellationToken);
                if (answer.Status != 200)
                    throw new BenchmarkException($"a request was answered {answer}");
                latencies.Add((Stopwatch.GetElapsedTime(started) - due).TotalMilliseconds);
            }
        }, cancellationToken)));
        return new OpenResult(latencies.Count / Stopwatch.GetElapsedTime(started).TotalSeconds, latencies);
    }
}
