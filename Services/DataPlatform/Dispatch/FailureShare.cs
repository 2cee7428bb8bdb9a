namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>
/// Computes the share of recent attempts that failed, over a window of ten slices. Not thread-safe.
/// </summary>
internal sealed class FailureShare(TimeSpan window, TimeProvider clock)
{
    private const int Slices = 10;

    private readonly long _start = clock.GetTimestamp();
    private readonly (long Number, int All, int Failed)[] _slices = new (long, int, int)[Slices];

    public void Add(bool hasFailed)
    {
        var number = Number();
        ref var slice = ref _slices[number % Slices];
        if (slice.Number != number)
            slice = (number, 0, 0);
        slice.All++;
        slice.Failed += hasFailed ? 1 : 0;
    }

    /// <summary>Whether at least <paramref name="ratio"/> of at least <paramref name="minimum"/> attempts failed.</summary>
    public bool IsAtLeast(double ratio, int minimum)
    {
        var first = Number() - Slices + 1;
        var all = 0;
        var failed = 0;
        foreach (var slice in _slices)
        {
            if (slice.Number >= first)
            {
                all += slice.All;
                failed += slice.Failed;
            }
        }
        return all >= minimum && failed >= ratio * all;
    }

    public void Clear() => Array.Clear(_slices);

    private long Number() => (long)(clock.GetElapsedTime(_start) / window * Slices);
}
