using System.Text.Json.Serialization;

namespace ConcertSaga.Contracts.Queue;

/// <summary>Whether a waiting room admits customers at the moment, or why not.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<QueueAdmission>))]
public enum QueueAdmission
{
    /// <summary>Customers are admitted as slots become free.</summary>
    Open,

    /// <summary>The sale has not begun. Entries are issued, and no customer is admitted.</summary>
    NotOpenYet,

    /// <summary>An operator has paused admission.</summary>
    Paused,

    /// <summary>Admission waits, because customers cannot make reservations at the moment.</summary>
    Suspended,

    /// <summary>The sale is over.</summary>
    Closed
}

/// <summary>
/// The state of one waiting room. Queue publishes it to gateways after each change, and every second while the room is occupied or changed
/// within the last minute. After a gap in <paramref name="Sequence"/> a gateway reads the snapshot; a repeated sequence is a sign of life.
/// </summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Sequence">
/// Grows by one with each admission and each revocation of this concert; <see cref="QueueTokenRevoked"/> shares it. Each change ends with
/// an admission, even of zero entries. So this is never the sequence of a revocation, and a lost revocation always leaves a gap.
/// </param>
/// <param name="Serving">The highest number that was offered a pass, or that left before any entry behind it was offered one.</param>
/// <param name="Rate">Customers admitted per second, as measured; before the first measurement, as the settings allow.</param>
/// <param name="At">The instant of this state.</param>
/// <param name="Issued">The highest queue number issued so far.</param>
/// <param name="BatchSize">The maximum number of customers admitted at once.</param>
/// <param name="SaleOpensAt">The beginning of the sale. Before it, no customer is admitted.</param>
/// <param name="SaleClosesAt">The end of the sale. After it, no customer is admitted.</param>
/// <param name="Admission">Whether customers are admitted at the moment.</param>
/// <param name="Gaps">
/// The ranges behind <paramref name="Serving"/> in which entries have left, ascending and disjoint; null if all entries still wait.
/// </param>
/// <param name="ClaimSeconds">How long a customer can claim an offer; null from an older Queue.</param>
/// <param name="IntervalSeconds">How often customers are admitted; null from an older Queue.</param>
/// <param name="SoldOut">Whether the concert has no available seat, as of the last minute; false if that is unknown.</param>
public sealed record QueueAdvanced(
    int ConcertId, long Sequence, long Serving, double Rate, DateTimeOffset At, long Issued, int BatchSize, DateTimeOffset SaleOpensAt,
    DateTimeOffset SaleClosesAt, QueueAdmission Admission, QueueGap[]? Gaps = null, double? ClaimSeconds = null,
    double? IntervalSeconds = null, bool SoldOut = false)
{
    /// <summary>Counts the entries that wait ahead of a queue number: exact outside gaps and at their edges, interpolated inside.</summary>
    public long PeopleBefore(long number)
    {
        var ahead = number - Serving - 1;
        foreach (var gap in Gaps ?? [])
        {
            if (gap.From >= number)
                break;
            ahead -= gap.LeftBefore(number);
        }
        return Math.Max(0, ahead);
    }
}

/// <summary>
/// A range of queue numbers in which entries have left. The first <paramref name="Empty"/> numbers count as left. The entries that still
/// wait count as spread evenly over the rest.
/// </summary>
/// <param name="From">The first number of the range.</param>
/// <param name="To">The last number of the range.</param>
/// <param name="Left">The number of entries in the range that have left.</param>
/// <param name="Empty">The number of leading numbers that count as left.</param>
public sealed record QueueGap(long From, long To, long Left, long Empty)
{
    /// <summary>Counts the entries of the range that wait ahead of a number, which may lie behind the range.</summary>
    public long WaitingBefore(long number)
    {
        var size = To - From + 1;
        var before = Math.Min(number - From, size);
        // The product of two queue numbers may exceed 64 bits.
        return before <= Empty || Left >= size ? 0 : (long)((Int128)(before - Empty) * (size - Left) / (size - Empty));
    }

    internal long LeftBefore(long number) => Math.Min(number - From, To - From + 1) - WaitingBefore(number);
}

/// <summary>
/// The early end of a queue token. Queue publishes it to gateways, which remember it until <paramref name="Exp"/>.
/// </summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Sequence">The sequence, shared with <see cref="QueueAdvanced"/>.</param>
/// <param name="TokenId">The id of the entry.</param>
/// <param name="Exp">When the token expires in any case.</param>
/// <param name="Left">Whether the customer left; false after a purchase, and from an older Queue.</param>
public sealed record QueueTokenRevoked(int ConcertId, long Sequence, Guid TokenId, DateTimeOffset Exp, bool Left = false);
