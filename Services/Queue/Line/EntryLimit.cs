namespace ConcertSaga.Queue.Line;

/// <summary>
/// Limits how often one customer can enter the same waiting room. An ended entry stays in the table while gateways must refuse its token,
/// so the limit also bounds the rows of one customer.
/// </summary>
internal static class EntryLimit
{
    private static readonly (int Entries, TimeSpan Within)[] Rules =
        [(5, TimeSpan.FromMinutes(1)), (20, TimeSpan.FromHours(1)), (60, TimeSpan.FromDays(1))];

    /// <summary>Returns the instant before which no entry counts.</summary>
    public static DateTimeOffset OldestAt(DateTimeOffset now) => now - Rules[^1].Within;

    /// <summary>Returns how long the customer has to wait; null if the entry is allowed.</summary>
    /// <param name="enteredAt">The beginnings of the customer's entries that ended without a purchase.</param>
    /// <param name="now">The current instant.</param>
    public static TimeSpan? WaitOf(IReadOnlyCollection<DateTimeOffset> enteredAt, DateTimeOffset now)
    {
        if (enteredAt.Count < Rules[0].Entries)
            return null;
        var newest = enteredAt.OrderDescending().ToList();
        TimeSpan? wait = null;
        foreach (var (entries, within) in Rules)
        {
            // A clock that was ahead must not lock a customer out for longer than the rule says.
            if (newest.Count >= entries && (newest[entries - 1] < now ? newest[entries - 1] : now) + within - now is var left
                && left > (wait ?? TimeSpan.Zero))
                wait = left;
        }
        return wait;
    }
}
