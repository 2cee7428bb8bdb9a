namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>Latencies of millions of requests in little memory. Each class is two percent wide.</summary>
internal sealed class Histogram
{
    private const double Growth = 1.02, Min = 0.01;

    private readonly long[] _classes = new long[1024];
    private long _count;

    public long Count => Interlocked.Read(ref _count);

    /// <summary>Counts one latency. Thread-safe.</summary>
    public void Add(double milliseconds)
    {
        Interlocked.Increment(ref _classes[Math.Clamp((int)(Math.Log(milliseconds / Min) / Math.Log(Growth)), 0, _classes.Length - 1)]);
        Interlocked.Increment(ref _count);
    }

    /// <summary>The latency in milliseconds that this share of requests stays below; NaN if there are none.</summary>
    public double Percentile(double share)
    {
        var left = share * Count;
        var place = 0;
        if (left == 0)
            return double.NaN;
        while (place < _classes.Length - 1 && (left -= _classes[place]) > 0)
            place++;
        return Min * Math.Pow(Growth, place + 0.5);
    }
}
