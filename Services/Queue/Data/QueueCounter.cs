namespace ConcertSaga.Queue.Data;

/// <summary>
/// The waiting room of one concert. Its row is the lock: whatever gives, ends or offers a place changes this row first, so that all of it
/// happens one after the other. Only fetching an offered pass does not, because it changes nothing for anybody else.
/// </summary>
public sealed class QueueCounter
{
    public required int ConcertId { get; init; }

    public required DateTimeOffset SaleOpensAt { get; set; }

    public required DateTimeOffset SaleClosesAt { get; set; }

    /// <summary>The place the next person gets.</summary>
    public long NextNumber { get; set; } = 1;

    /// <summary>The highest place that has been offered a pass, or left the line before anybody behind it was.</summary>
    public long Serving { get; set; }

    /// <summary>
    /// Grows by one with each admission and each revocation. The last of a change is always an admission, even one of nobody: so every
    /// sequence that can be read here is one of <c>QueueAdvanced</c>, and a revocation that was never published leaves a gap.
    /// </summary>
    public long Sequence { get; set; }

    /// <summary>Before this instant nobody is let in; whoever moves it, admits.</summary>
    public DateTimeOffset NextTickAt { get; set; }

    /// <summary>People admitted per second, as measured lately; null while nothing has been.</summary>
    public double? Rate { get; set; }

    /// <summary>When people were last let in, or could have been.</summary>
    public DateTimeOffset? RatedAt { get; set; }

    /// <summary>When the sequence last grew.</summary>
    public DateTimeOffset ChangedAt { get; set; }

    /// <summary>An operator has stopped the inlet.</summary>
    public bool Paused { get; set; }

    // The concert's own settings; null where the configured ones hold.

    public int? Capacity { get; set; }

    public int? BatchSize { get; set; }

    public TimeSpan? Interval { get; set; }

    public TimeSpan? ClaimWindow { get; set; }

    public TimeSpan? PassLifetime { get; set; }

    /// <summary>Something changed that gateways have to hear of.</summary>
    /// <param name="now">The present instant.</param>
    /// <param name="revocations">How many tokens are ended by it; they get the sequences after the present one.</param>
    public void Advance(DateTimeOffset now, int revocations = 0) => (Sequence, ChangedAt) = (Sequence + revocations + 1, now);
}
