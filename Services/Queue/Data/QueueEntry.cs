namespace ConcertSaga.Queue.Data;

public enum QueueEntryStatus
{
    /// <summary>The entry is in line.</summary>
    Waiting,

    /// <summary>The customer can claim a pass until <see cref="QueueEntry.ClaimUntil"/>.</summary>
    Offered,

    /// <summary>The customer has a pass, which opens every route until <see cref="QueueEntry.BookUntil"/>.</summary>
    Active,

    /// <summary>The customer did not claim the offer, or did not buy with the pass, in time.</summary>
    Expired,

    /// <summary>The customer has bought.</summary>
    Completed,

    /// <summary>The customer has left.</summary>
    Left
}

/// <summary>One customer's place in a waiting room, from entering to the end.</summary>
public sealed class QueueEntry
{
    public required Guid TokenId { get; init; }

    public required int ConcertId { get; init; }

    public required string UserId { get; init; }

    /// <summary>The queue number: from 1, in order of arrival, without gaps.</summary>
    public required long Number { get; init; }

    public QueueEntryStatus Status { get; set; }

    public required DateTimeOffset IssuedAt { get; init; }

    /// <summary>When the pass was offered; also null if an older version offered it.</summary>
    public DateTimeOffset? OfferedAt { get; init; }

    /// <summary>The end of the offer.</summary>
    public DateTimeOffset? ClaimUntil { get; init; }

    /// <summary>When the customer claimed the offer.</summary>
    public DateTimeOffset? ClaimedAt { get; init; }

    /// <summary>Until when the pass opens every route.</summary>
    public DateTimeOffset? BookUntil { get; init; }

    /// <summary>
    /// Until when this entry takes one of the slots of its room: one clock skew longer than its offer or pass. A room counts its slots by
    /// this instant alone, in any status.
    /// </summary>
    public DateTimeOffset? SlotUntil { get; set; }

    /// <summary>When the most recent token or pass of this entry expires.</summary>
    public required DateTimeOffset Exp { get; init; }

    /// <summary>Set if the token ended early. Gateways must know it until <see cref="Exp"/>.</summary>
    public long? RevokedSequence { get; set; }

    public DateTimeOffset? CompletedAt { get; set; }
}

/// <summary>Filters entries by status, spelled out so that the filtered indexes apply.</summary>
internal static class QueueEntryQueries
{
    /// <summary>Entries that are in line or have an offer or a pass.</summary>
    public static IQueryable<QueueEntry> Live(this IQueryable<QueueEntry> entries) => entries.Where(entry =>
        entry.Status == QueueEntryStatus.Waiting || entry.Status == QueueEntryStatus.Offered || entry.Status == QueueEntryStatus.Active);

    /// <summary>Entries that ended without a purchase.</summary>
    public static IQueryable<QueueEntry> Unused(this IQueryable<QueueEntry> entries) => entries.Where(entry =>
        entry.Status == QueueEntryStatus.Left || entry.Status == QueueEntryStatus.Expired);

    /// <summary>Entries with an offer or a pass that no purchase, departure or expiry has ended.</summary>
    public static IQueryable<QueueEntry> Admitted(this IQueryable<QueueEntry> entries) => entries.Where(entry =>
        entry.Status == QueueEntryStatus.Offered || entry.Status == QueueEntryStatus.Active);
}
