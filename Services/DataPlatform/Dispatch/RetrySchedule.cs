namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>Decides when a delivery is retried, and when it is given up.</summary>
internal static class RetrySchedule
{
    /// <summary>The maximum wait before each attempt, starting with the first; the last value also holds for all later attempts.</summary>
    public static readonly TimeSpan[] MaxWaits =
    [
        TimeSpan.Zero, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(10),
        TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5), TimeSpan.FromHours(10)
    ];

    /// <summary>
    /// A random wait after the <paramref name="attempts"/>th failure, up to the maximum, so deliveries that failed together spread out.
    /// </summary>
    public static TimeSpan Wait(int attempts) => MaxWait(attempts) * Random.Shared.NextDouble();

    /// <summary>The maximum wait after the <paramref name="attempts"/>th failure.</summary>
    public static TimeSpan MaxWait(int attempts) => MaxWaits[Math.Min(attempts, MaxWaits.Length - 1)];

    /// <summary>
    /// Whether both limits are reached. By count alone, an outage of an afternoon could end a delivery, because the waits are random. By
    /// age alone, a delivery that waited out an outage or a pause would be given up after one attempt.
    /// </summary>
    public static bool IsOver(int attempts, TimeSpan age, DataPlatformOptions options) =>
        attempts >= options.MaxAttempts && age >= options.MaxAge;
}
