using ConcertSaga.Operations.Bulk;

namespace ConcertSaga.Operations.Owners;

/// <summary>
/// How many changes to send to an owner at once, and how long to rest afterwards. Customers share its processors and queues, so an owner
/// that is slow gets fewer changes and more rest.
/// </summary>
internal sealed class OwnerPace
{
    private const int MinSize = 10;

    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(150), Slow = Quick * 2;

    private int _size = MinSize;
    private bool _isBehind;

    /// <summary>
    /// The next number. It is 1 while the last ones are not recorded, because that may be the fault of a single one.
    /// </summary>
    public int Next => _isBehind ? 1 : _size;

    /// <summary>Learns from the last changes.</summary>
    /// <param name="count">How many they were.</param>
    /// <param name="taken">How long the owner has had.</param>
    /// <param name="areRecorded">Whether it has recorded all of them.</param>
    /// <returns>How long to rest: at most as long as it has had.</returns>
    public TimeSpan Learn(int count, TimeSpan taken, bool areRecorded)
    {
        _isBehind = !areRecorded;
        if (!areRecorded || taken > Slow)
            _size = Math.Max(_size / 2, MinSize);
        else if (taken <= Quick && count >= _size)
            _size = Math.Min(_size * 2, OperationRunner.BatchSize);
        return taken > Quick ? taken - Quick : TimeSpan.Zero;
    }
}
