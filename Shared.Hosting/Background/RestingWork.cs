namespace ConcertSaga.Shared.Hosting.Background;

/// <summary>Background work in batches that leaves the database to customers most of the time.</summary>
public static class RestingWork
{
    // Of five seconds, work takes at most one.
    private const int RestPerWork = 4;

    /// <summary>Does one batch of work, and then rests four times as long as it took.</summary>
    /// <param name="clock">Times the work and the rest.</param>
    /// <param name="work">The batch.</param>
    /// <param name="cancellationToken">Ends the rest.</param>
    /// <returns>The result of the batch.</returns>
    public static async Task<T> ThenRestAsync<T>(this TimeProvider clock, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        var result = await work();
        await Task.Delay(RestPerWork * clock.GetElapsedTime(started), clock, cancellationToken);
        return result;
    }
}
