namespace ConcertSaga.DataPlatform.Domain;

/// <summary>When a delivery is tried again, and when no more.</summary>
internal static class RetrySchedule
{
    /// <summary>The longest wait before each attempt, from the first on; the last one holds for all that follow.</summary>
    public static readonly TimeSpan[] Longest =
    [
        TimeSpan.Zero, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(2), TimeSpan.FromHours(5), TimeSpan.FromHours(10)
    ];

    /// <summary>
    /// How long to wait after the <paramref name="attempts"/>th failure: any time up to the longest, so that what failed together does not come
    /// back together. Where the destination has said how long, at least that, within reason.
    /// </summary>
    public static TimeSpan Wait(int attempts, TimeSpan? retryAfter, TimeSpan mostRetryAfter)
    {
        var wait = Longest[Math.Min(attempts, Longest.Length - 1)] * Random.Shared.NextDouble();
        var asked = retryAfter is { } given ? (given < mostRetryAfter ? given : mostRetryAfter) : TimeSpan.Zero;
        return wait > asked ? wait : asked;
    }

    /// <summary>
    /// Both limits must be reached. By count alone an outage of an afternoon could end a delivery, since the waits are random; by age alone one
    /// that waited behind an outage or a pause would be given up after a single attempt.
    /// </summary>
    public static bool IsOver(int attempts, TimeSpan age, DataPlatformOptions options) => attempts >= options.MaxAttempts && age >= options.MaxAge;
}
