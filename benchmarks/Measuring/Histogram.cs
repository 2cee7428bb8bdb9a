namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>Latencies of millions of requests in little memory: each is counted in a class that is two percent wide.</summary>
internal sealed class Histogram
{
    private const double Growth = 1.02, Least = 0.01;

    private readonly long[] _classes = new long[1024];
    private long _count;

    public long Count => Interlocked.Read(ref _count);

    /// <summary>Counts one, from any thread.</summary>
    public void Add(double milliseconds)
    {
        Interlocked.Increment(ref _classes[Math.Clamp((int)(Math.Log(milliseconds / Least) / Math.Log(Growth)), 0, _classes.Length - 1)]);
        Interlocked.Increment(ref _count);
    }

    /// <summary>Milliseconds below which a share of all lies; not a number of none.</summary>
    public double Percentile(double share)
    {
        var (left, place) = (share * Count, 0);
        if (left == 0)
            return double.NaN;
        while (place < _classes.Length - 1 && (left -= _classes[place]) > 0)
            place++;
        return Least * Math.Pow(Growth, place + 0.5);
    }
}
