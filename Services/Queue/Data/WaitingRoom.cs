namespace ConcertSaga.Queue.Data;

/// <summary>
/// The waiting room of one concert. Its row is the lock: each transaction that issues, ends or offers entries changes this row first, so
/// they run one after the other. Claiming an offer needs no lock, because it changes nothing for other customers.
/// </summary>
public sealed class WaitingRoom
{
    public required int ConcertId { get; init; }

    public required DateTimeOffset SaleOpensAt { get; set; }

    public required DateTimeOffset SaleClosesAt { get; set; }

    /// <summary>The queue number of the next entry.</summary>
    public long NextNumber { get; set; } = 1;

    /// <summary>The highest number that was offered a pass, or that left before any entry behind it was offered one.</summary>
    public long Serving { get; set; }

    /// <summary>
    /// Grows by one with each admission and each revocation. Each change ends with an admission, even of zero entries. A revocation that
    /// was never published therefore leaves a gap between two <c>QueueAdvanced</c>.
    /// </summary>
    public long Sequence { get; set; }

    /// <summary>The earliest instant of the next admission. The replica that moves it admits.</summary>
    public DateTimeOffset NextTickAt { get; set; }

    /// <summary>Entries admitted per second, as measured over the last minute; null before the first measurement.</summary>
    public double? Rate { get; set; }

    /// <summary>The last admission that <see cref="Rate"/> includes.</summary>
    public DateTimeOffset? RatedAt { get; set; }

    /// <summary>
    /// The ranges behind <see cref="Serving"/> in which entries have left, as <c>GapList</c> writes them; null if all entries still wait.
    /// </summary>
    public string? Gaps { get; set; }

    /// <summary>When <see cref="Sequence"/> last grew.</summary>
    public DateTimeOffset ChangedAt { get; set; }

    /// <summary>Whether an operator has paused admission.</summary>
    public bool Paused { get; set; }

    // The concert's own settings. Null stands for the configured value.

    public int? Capacity { get; set; }

    public int? BatchSize { get; set; }

    public TimeSpan? Interval { get; set; }

    public TimeSpan? ClaimWindow { get; set; }

    public TimeSpan? PassLifetime { get; set; }

    /// <summary>Counts a change that gateways must learn.</summary>
    /// <param name="now">The current instant.</param>
    /// <param name="revocations">How many tokens the change ends. They get the sequences that follow the current one.</param>
    public void Advance(DateTimeOffset now, int revocations = 0)
    {
        Sequence += revocations + 1;
        ChangedAt = now;
    }
}
