namespace ConcertSaga.Contracts.Queue;

/// <summary>A queue token as clients see it. Queue or Gateway → client, over HTTP.</summary>
/// <param name="Token">What to send as <c>X-Queue-Token</c> from now on; always the newest one given.</param>
/// <param name="TokenId">Stays the same from entering to the end.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="Status"><c>Waiting</c> or <c>Active</c>; in events also <c>Expired</c> and <c>Completed</c>.</param>
/// <param name="Position">The place in line as of now; 0 when active. Never grows.</param>
/// <param name="PeopleAhead">How many people are before this one at most.</param>
/// <param name="EstimatedWaitSeconds">How long it may still take; null when active, and while nobody is being let in.</param>
/// <param name="PollAfterSeconds">When to ask again.</param>
/// <param name="ExpiresAt">Waiting: until when the place is kept. Active: until when the pass opens the booking routes.</param>
/// <param name="Admission">Whether people are let in at the moment.</param>
public sealed record QueueTokenView(
    string Token, Guid TokenId, int ConcertId, string Status, long Position, long PeopleAhead, WaitRange? EstimatedWaitSeconds,
    int PollAfterSeconds, DateTimeOffset ExpiresAt, QueueAdmission Admission)
{
    // Nobody is asked to come back later than this: whoever is offered a pass has a minute to fetch it.
    private const int LongestPoll = 45;

    /// <summary>The view of somebody who waits.</summary>
    /// <param name="token">The waiting token.</param>
    /// <param name="tokenId">Its id.</param>
    /// <param name="number">The place that was given.</param>
    /// <param name="expiresAt">Until when the place is kept.</param>
    /// <param name="room">How far the waiting room is.</param>
    /// <param name="pollBudget">Polls per second that all waiting people together may cause.</param>
    /// <param name="now">The present instant.</param>
    /// <param name="jitter">From -1 to 1; spreads people that were answered at the same moment.</param>
    public static QueueTokenView Waiting(
        string token, Guid tokenId, long number, DateTimeOffset expiresAt, QueueAdvanced room, int pollBudget, DateTimeOffset now, double jitter)
    {
        var position = Math.Max(1, number - room.Serving);
        var wait = Estimate(position, room, now);
        var poll = Math.Min((wait?.Low ?? int.MaxValue) / 2.0, 10);
        if (position > 10L * room.BatchSize)
            poll = Math.Max(poll, (double)(room.Issued - room.Serving) / pollBudget);
        poll = Math.Min(poll, LongestPoll) * (1 + (0.2 * jitter));
        return new QueueTokenView(token, tokenId, room.ConcertId, "Waiting", position, position - 1, wait,
            Math.Clamp((int)Math.Round(poll), 1, LongestPoll), expiresAt, room.Admission);
    }

    /// <summary>The view of somebody who was let in.</summary>
    /// <param name="token">The pass.</param>
    /// <param name="tokenId">Its id.</param>
    /// <param name="concertId">The concert.</param>
    /// <param name="bookUntil">Until when it opens the booking routes.</param>
    /// <param name="admission">Whether people are let in at the moment.</param>
    /// <param name="status"><c>Active</c>, or in events <c>Expired</c> or <c>Completed</c>.</param>
    public static QueueTokenView Active(
        string token, Guid tokenId, int concertId, DateTimeOffset bookUntil, QueueAdmission admission, string status = "Active") =>
        new(token, tokenId, concertId, status, 0, 0, null, 10, bookUntil, admission);

    private static WaitRange? Estimate(long position, QueueAdvanced room, DateTimeOffset now)
    {
        if (room.Admission is not (QueueAdmission.Open or QueueAdmission.NotOpenYet) || room.Rate <= 0)
            return null;
        var untilOpening = Math.Max(0, (room.SaleOpensAt - now).TotalSeconds);
        var seconds = position / room.Rate;
        return new WaitRange(Round(untilOpening + (0.75 * seconds)), Round(untilOpening + (1.35 * seconds)));

        static int Round(double seconds) => (int)Math.Ceiling(Math.Min(seconds, int.MaxValue / 2));
    }
}

/// <summary>A wait in whole seconds, as a range.</summary>
/// <param name="Low">At least.</param>
/// <param name="High">At most, as far as can be told.</param>
public sealed record WaitRange(int Low, int High);
