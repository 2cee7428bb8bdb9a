using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Waits until the row of a reservation answers a call, or until the time of the caller is up. Any replica can answer, and several callers
/// can wait for the same reservation.
/// </summary>
public sealed class AnswerWaiter(
    OrchestratorDbContext database, AnswerSignal signal, IOptions<ReservationOptions> options, TimeProvider clock)
{
    private const int MaxSeconds = 10;

    /// <summary>Waits for the answer; if it does not come in time, answers <c>202</c>.</summary>
    /// <param name="id">The reservation.</param>
    /// <param name="http">The call.</param>
    /// <param name="read">Reads the answer from the row; null while the outcome is open.</param>
    /// <param name="cancellationToken">Ends the wait when the caller hangs up.</param>
    /// <param name="added">Registered before the row was added; null if there may be an answer already.</param>
    public async Task<Results<TSuccess, Accepted<ReservationResponse>, ProblemHttpResult>> WaitAsync<TSuccess>(
        Guid id, HttpContext http, Func<Reservation, Results<TSuccess, Accepted<ReservationResponse>, ProblemHttpResult>?> read,
        CancellationToken cancellationToken, AnswerSignal.Registration? added = null)
        where TSuccess : IResult
    {
        Reservation? latest = null;
        // The cleaner may delete a refused reservation while its caller waits.
        var answer = await WaitAsync<Results<TSuccess, Accepted<ReservationResponse>, ProblemHttpResult>>(
            id, http.Request,
            async committed => (latest = committed ?? await FindAsync(id, cancellationToken)) is { } row
                ? read(row) : Refusals.ReservationNotFound.Answer(),
            cancellationToken, added);
        if (answer is not null)
            return answer;
        http.Response.Headers.RetryAfter = "1";
        return TypedResults.Accepted(ReservationResponse.LocationOf(id), ReservationResponse.Of(latest!));
    }

    /// <summary>Reads until there is an answer; null if it does not come in time.</summary>
    /// <param name="id">The reservation whose changes wake the caller.</param>
    /// <param name="request">The call, which may say how long to wait.</param>
    /// <param name="read">
    /// Reads the answer from the row that was just committed, or from the database if that is null; null while there is none.
    /// </param>
    /// <param name="cancellationToken">Ends the wait when the caller hangs up.</param>
    /// <param name="added">Registered before the row was added; null if there may be an answer already.</param>
    public async Task<T?> WaitAsync<T>(Guid id, HttpRequest request, Func<Reservation?, Task<T?>> read, CancellationToken cancellationToken,
        AnswerSignal.Registration? added = null)
        where T : class
    {
        var limit = Prefer(request);
        // By elapsed time: a clock that is set back would prolong the wait.
        var started = clock.GetTimestamp();
        using var registration = added ?? signal.Register(id);
        var changed = registration.FirstChange;
        for (var reads = added is null; ; reads = true)
        {
            if (reads && await read(null) is { } answer)
                return answer;
            var left = limit - clock.GetElapsedTime(started);
            if (left <= TimeSpan.Zero)
            {
                if (reads)
                    return null;
                continue;
            }
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            // No polling meanwhile: a thousand callers that reread each second would be a load of their own.
            await Task.WhenAny(changed, Task.Delay(left, clock, stop.Token));
            await stop.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
            var committed = changed.IsCompleted ? await changed : null;
            changed = registration.NextChange;
            // A row without the answer may have changed again since, so the next round reads it.
            if (committed is not null && await read(committed) is { } decided)
                return decided;
        }
    }

    private Task<Reservation?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        database.Reservations.AsNoTracking().FirstOrDefaultAsync(row => row.CorrelationId == id, cancellationToken);

    // RFC 7240: "Prefer: wait=n" and "Prefer: respond-async". Invalid preferences are ignored.
    private TimeSpan Prefer(HttpRequest request)
    {
        TimeSpan? limit = null;
        foreach (var preference in request.Headers["Prefer"].SelectMany(value => (value ?? "").Split(',')))
        {
            // A semicolon begins the parameters of a preference, which none of these has.
            string[] parts = [.. preference.Split(';')[0].Split('=').Select(part => part.Trim())];
            if (parts is [var name] && name.Equals("respond-async", StringComparison.OrdinalIgnoreCase))
                return TimeSpan.Zero;
            // The first of several counts.
            if (parts is ["wait" or "Wait" or "WAIT", var value] && ValueReader.TryRead(value.Trim('"'), out long seconds)
                && seconds is >= 0 and <= MaxSeconds)
                limit ??= TimeSpan.FromSeconds(seconds);
        }
        return limit ?? options.Value.AnswerTimeout;
    }
}
