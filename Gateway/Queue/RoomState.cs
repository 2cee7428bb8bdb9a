using ConcertSaga.Contracts.Queue;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Holds the state of one waiting room, and which of its messages have arrived. Messages can overtake each other, so a gap may close
/// without a snapshot.
/// </summary>
internal sealed class RoomState
{
    /// <summary>The <see cref="GapSince"/> of a waiting room without a gap.</summary>
    public const long NoGap = long.MaxValue;

    private const int MaxAhead = 256;

    // Sequences that arrived before one of their predecessors.
    private readonly SortedSet<long> _ahead = [];
    private long _complete;
    private long _completeAt = RoomDirectory.Never;
    private long _gapSince = NoGap;

    /// <summary>The latest progress; null if only revocations have arrived.</summary>
    public QueueAdvanced? Progress { get; private set; }

    /// <summary>
    /// When this room was last without a gap, by the monotonic clock: <see cref="RoomDirectory.Never"/> if it never was, and
    /// <see cref="NoGap"/> if it has no gap now.
    /// </summary>
    public long GapSince => Volatile.Read(ref _gapSince);

    /// <summary>Replaces the progress, unless the given one is older.</summary>
    public void Update(QueueAdvanced progress)
    {
        if (Progress is null || (progress.Sequence, progress.At).CompareTo((Progress.Sequence, Progress.At)) > 0)
            Progress = progress;
    }

    /// <param name="sequence">The sequence of the message that arrived.</param>
    /// <param name="now">When it arrived; <see cref="RoomDirectory.Never"/> if the message may be old.</param>
    public void Record(long sequence, long now)
    {
        if (sequence > _complete)
            _ahead.Add(sequence);
        if (_ahead.Count > MaxAhead)
            _ahead.Remove(_ahead.Min);
        CloseGap(now);
    }

    /// <summary>Records that a snapshot contains everything up to a sequence.</summary>
    public void CompleteThrough(long sequence, long now)
    {
        _complete = Math.Max(_complete, sequence);
        _ahead.RemoveWhere(arrived => arrived <= _complete);
        CloseGap(now);
    }

    private void CloseGap(long now)
    {
        while (_ahead.Remove(_complete + 1))
            _complete++;
        if (_ahead.Count == 0)
            _completeAt = Math.Max(_completeAt, now);
        Volatile.Write(ref _gapSince, _ahead.Count == 0 ? NoGap : _completeAt);
    }
}
