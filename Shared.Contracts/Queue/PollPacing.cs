namespace ConcertSaga.Contracts.Queue;

/// <summary>Decides how often a waiting client polls, and estimates its wait.</summary>
internal static class PollPacing
{
    // Within this many batches of the front, an offer may come at any moment.
    private const int FrontBatches = 10;

    /// <summary>Returns the seconds until the next poll.</summary>
    /// <param name="position">The position in line, from 1.</param>
    /// <param name="wait">The estimated wait; null if there is none.</param>
    /// <param name="room">The state of the waiting room.</param>
    /// <param name="pollBudget">The polls per second that all waiting customers may cause together.</param>
    /// <param name="jitter">From -1 to 1; spreads clients that were answered at the same moment.</param>
    public static int SecondsUntilPoll(long position, WaitRange? wait, QueueAdvanced room, int pollBudget, double jitter)
    {
        var poll = Math.Min((wait?.Low ?? int.MaxValue) / 2.0, 10);
        if (position > (long)FrontBatches * room.BatchSize)
            poll = Math.Max(poll, (double)room.PeopleBefore(room.Issued + 1) / pollBudget);
        poll = Math.Min(poll, QueueTokenView.MaxPollSeconds) * (1 + (0.2 * jitter));
        return Math.Clamp((int)Math.Round(poll), 1, Math.Min(QueueTokenView.MaxPollSeconds, MaxSeconds(position, room)));
    }

    /// <summary>Estimates the wait; null while no customer is admitted.</summary>
    public static WaitRange? Estimate(long position, QueueAdvanced room, DateTimeOffset now)
    {
        if (room.Admission is not (QueueAdmission.Open or QueueAdmission.NotOpenYet) || room.Rate <= 0)
            return null;
        var untilOpening = Math.Max(0, (room.SaleOpensAt - now).TotalSeconds);
        var seconds = position / room.Rate;
        return new WaitRange(Round(untilOpening + (0.75 * seconds)), Round(untilOpening + (1.35 * seconds)));

        static int Round(double seconds) => (int)Math.Ceiling(Math.Min(seconds, int.MaxValue / 2));
    }

    // The longest interval with which a client cannot miss its offer.
    private static int MaxSeconds(long position, QueueAdvanced room)
    {
        if (room is not { ClaimSeconds: { } claim, IntervalSeconds: { } interval })
            return QueueTokenView.MaxPollSeconds;
        var batches = position / Math.Max(1, room.BatchSize);
        // Half the time of these batches, because the state of the room may lag behind its admissions.
        var untilOffer = batches < FrontBatches ? 0 : (batches - 1) * interval / 2;
        return (int)Math.Clamp(
            (claim + untilOffer - QueueTokenView.PollTravelSeconds) / (1 + QueueTokenView.PollLateness), 1, QueueTokenView.MaxPollSeconds);
    }
}
