namespace ConcertSaga.Contracts.Queue;

/// <summary>A queue token as its client sees it. Sent by Queue and the gateway over HTTP.</summary>
/// <param name="Token">The token to send as <c>X-Queue-Token</c> from now on. A client always sends the most recent one.</param>
/// <param name="TokenId">The id of the entry. It never changes.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="Status"><c>Waiting</c> or <c>Active</c>; in events also <c>Expired</c>, <c>Completed</c> and <c>Left</c>.</param>
/// <param name="Position">The current position in line; 0 when active. It never grows.</param>
/// <param name="PeopleAhead">How many customers wait ahead. Customers who have left do not count.</param>
/// <param name="EstimatedWaitSeconds">The estimated wait; null when active, and while no customer is admitted.</param>
/// <param name="PollAfterSeconds">The seconds until the next poll.</param>
/// <param name="ExpiresAt">Waiting: when the token expires. Active: until when the pass opens the booking routes.</param>
/// <param name="Admission">Whether customers are admitted at the moment.</param>
/// <param name="SoldOut">
/// Waiting: whether the concert has no available seat, as of the last minute. Seats whose hold ends are available again.
/// </param>
public sealed record QueueTokenView(
    string Token, Guid TokenId, int ConcertId, string Status, long Position, long PeopleAhead, WaitRange? EstimatedWaitSeconds,
    int PollAfterSeconds, DateTimeOffset ExpiresAt, QueueAdmission Admission, bool SoldOut = false)
{
    /// <summary>The longest poll interval, in seconds.</summary>
    public const int MaxPollSeconds = 45;

    /// <summary>How much later than requested a client may poll, as a share of the interval.</summary>
    public const double PollLateness = 0.2;

    /// <summary>The seconds that an answer and the next request may take in transit together.</summary>
    public const double PollTravelSeconds = 1;

    /// <summary>The shortest claim window in which a client that polls every second claims each offer, in seconds.</summary>
    public const int MinClaimSeconds = 3;

    /// <summary>Creates the view of a waiting customer.</summary>
    /// <param name="token">The waiting token.</param>
    /// <param name="tokenId">The id of the entry.</param>
    /// <param name="number">The queue number.</param>
    /// <param name="expiresAt">When the token expires.</param>
    /// <param name="room">The state of the waiting room.</param>
    /// <param name="pollBudget">The polls per second that all waiting customers may cause together.</param>
    /// <param name="now">The current instant.</param>
    /// <param name="jitter">From -1 to 1; spreads clients that were answered at the same moment.</param>
    public static QueueTokenView Waiting(
        string token, Guid tokenId, long number, DateTimeOffset expiresAt, QueueAdvanced room, int pollBudget, DateTimeOffset now,
        double jitter)
    {
        var position = room.PeopleBefore(number) + 1;
        var wait = PollPacing.Estimate(position, room, now);
        var seconds = PollPacing.SecondsUntilPoll(position, wait, room, pollBudget, jitter);
        return new QueueTokenView(token, tokenId, room.ConcertId, "Waiting", position, position - 1, wait, seconds, expiresAt,
            room.Admission, room.SoldOut);
    }

    /// <summary>Creates the view of a customer with a pass.</summary>
    /// <param name="token">The pass.</param>
    /// <param name="tokenId">The id of the entry.</param>
    /// <param name="concertId">The concert.</param>
    /// <param name="bookUntil">Until when the pass opens the booking routes.</param>
    /// <param name="admission">Whether customers are admitted at the moment.</param>
    /// <param name="status"><c>Active</c>, or in events <c>Expired</c>, <c>Completed</c> or <c>Left</c>.</param>
    public static QueueTokenView Active(
        string token, Guid tokenId, int concertId, DateTimeOffset bookUntil, QueueAdmission admission, string status = "Active") =>
        new(token, tokenId, concertId, status, 0, 0, null, 10, bookUntil, admission);
}

/// <summary>A range of waiting times in whole seconds.</summary>
/// <param name="Low">The lower bound.</param>
/// <param name="High">The upper bound, as an estimate.</param>
public sealed record WaitRange(int Low, int High);
