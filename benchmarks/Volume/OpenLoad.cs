using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Queues;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Result of a rate.</summary>
internal sealed record OpenLoadResult(double PerSecond, Histogram Latencies);

/// <summary>
/// Sends requests at a rate, independently of earlier ones. A latency starts when the request is due, so it includes the wait for a free
/// connection.
/// </summary>
internal static class OpenLoad
{
    // With a longer delay, the rate is far too high.
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(3);

    public static async Task<OpenLoadResult> RunAsync(
        Uri address, Func<int, byte[]> request, double rate, TimeSpan time, int connections, CancellationToken cancellationToken)
    {
        var next = -1;
        var total = (int)(rate * time.TotalSeconds);
        var latencies = new Histogram();
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            using var connection = await CrowdConnection.OpenAsync(address, cancellationToken);
            while (Interlocked.Increment(ref next) is var number && number < total)
            {
                var due = TimeSpan.FromSeconds(number / rate);
                var early = due - Stopwatch.GetElapsedTime(started);
                if (early > TimeSpan.Zero)
                    await Task.Delay(early, cancellationToken);
                else if (-early > MaxDelay)
                    return;
                var bytes = request(number);
                bytes.CopyTo(connection.Request, 0);
                var answer = await connection.SendAsync(bytes.Length, cancellationToken);
                if (answer.Status != 200)
                    throw new BenchmarkException($"a request was answered with {answer}");
                latencies.Add((Stopwatch.GetElapsedTime(started) - due).TotalMilliseconds);
            }
        }, cancellationToken)));
        return new OpenLoadResult(latencies.Count / Stopwatch.GetElapsedTime(started).TotalSeconds, latencies);
    }
}
