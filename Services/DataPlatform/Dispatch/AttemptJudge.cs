using ConcertSaga.Contracts;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Shared.Hosting.Failures;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>
/// Reports each attempt to the breaker and decides how its delivery continues. A failure of the destination does not count against the
/// delivery, unless the destination accepts others while this one keeps failing.
/// </summary>
internal sealed partial class AttemptJudge(
    IServiceScopeFactory scopes, IOptions<DataPlatformOptions> options, Breaker breaker, TimeProvider clock, ILogger<AttemptJudge> logger)
{
    // Spreads the retries of deliveries that failed together.
    private static readonly TimeSpan MaxJitter = TimeSpan.FromSeconds(5);

    public async Task<DeliveryOutcome> JudgeAsync(DeliveryLease lease, AttemptResult attempt, bool isTrial)
    {
        switch (attempt.Verdict)
        {
            case Verdict.Delivered:
                breaker.RecordDelivery(isTrial);
                return Complete(lease, attempt, DeliveryStatus.Delivered);
            case Verdict.Refused:
                breaker.RecordAnswer(isTrial);
                return Complete(lease, attempt, DeliveryStatus.Dead);
            case Verdict.Early:
                breaker.RecordAnswer(isTrial);
                return RetryCounted(lease, attempt);
            case Verdict.Gone:
                return RetryUncounted(lease, attempt, TimeSpan.Zero);
            default:
                if (await PreviousAttemptAsync(lease) is { } previous && breaker.IsOwnFault(lease.DeliveryId, previous))
                    return RetryCounted(lease, attempt);
                breaker.RecordFailure(lease.DeliveryId, attempt, isTrial);
                return RetryUncounted(lease, attempt, UncountedWait(lease.Attempts + 1));
        }
    }

    /// <summary>Makes a delivery due again that was leased but not sent.</summary>
    public DeliveryOutcome ReturnUnsent(DeliveryLease lease) =>
        new(lease, DeliveryStatus.Pending, clock.GetUtcNow(), lease.AttemptsBefore, lease.Since, null);

    // While the breaker is open, a failed delivery is due after the next trial, so another delivery makes that trial.
    private TimeSpan UncountedWait(int attempts)
    {
        if (breaker.State != BreakerState.Closed)
            return Min(breaker.Wait, options.Value.BreakerMaxPause) + (MaxJitter * Random.Shared.NextDouble());
        return Min(RetrySchedule.MaxWait(attempts), options.Value.BreakerMaxPause) * Random.Shared.NextDouble();
    }

    private static TimeSpan Min(TimeSpan first, TimeSpan second) => first < second ? first : second;

    private async Task<DateTimeOffset?> PreviousAttemptAsync(DeliveryLease lease)
    {
        if (lease.Attempts == 0)
            return null;
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            return await scope.ServiceProvider.GetRequiredService<DataPlatformDbContext>().Attempts
                .Where(attempt => attempt.DeliveryId == lease.DeliveryId && attempt.Number == lease.Attempts)
                .Select(attempt => (DateTimeOffset?)attempt.At).SingleOrDefaultAsync();
        }
        catch (Exception exception) when (FailurePolicy.IsTransient(exception))
        {
            // Without a known previous attempt, the failure does not count.
            return null;
        }
    }

    private DeliveryOutcome RetryCounted(DeliveryLease lease, AttemptResult attempt)
    {
        var now = clock.GetUtcNow();
        var counted = lease.Attempts + 1 - lease.AttemptsBefore;
        // The age counts from the first counted failure, not from an earlier outage. An instant in the future is a clock error.
        var since = counted == 1 || lease.Since > now + ClockSkew.Tolerance ? now : lease.Since;
        return RetrySchedule.IsOver(counted, now - since, options.Value)
            ? Complete(lease, attempt, DeliveryStatus.Dead)
            : new DeliveryOutcome(lease, DeliveryStatus.Pending, now + RetrySchedule.Wait(counted), lease.AttemptsBefore, since,
                Row(lease, attempt));
    }

    private DeliveryOutcome RetryUncounted(DeliveryLease lease, AttemptResult attempt, TimeSpan wait) => new(
        lease, DeliveryStatus.Pending, clock.GetUtcNow() + wait, lease.AttemptsBefore + 1, lease.Since, Row(lease, attempt));

    private DeliveryOutcome Complete(DeliveryLease lease, AttemptResult attempt, DeliveryStatus status)
    {
        if (status == DeliveryStatus.Dead)
            LogDead(lease.DeliveryId, lease.Attempts + 1, attempt.Error);
        return new DeliveryOutcome(lease, status, clock.GetUtcNow(), lease.AttemptsBefore, lease.Since, Row(lease, attempt));
    }

    private static DeliveryAttempt Row(DeliveryLease lease, AttemptResult attempt) => new()
    {
        DeliveryId = lease.DeliveryId,
        Number = lease.Attempts + 1,
        At = attempt.At,
        StatusCode = attempt.StatusCode,
        DurationMilliseconds = (int)attempt.Duration.TotalMilliseconds,
        Error = attempt.Error
    };

    [LoggerMessage(6005, LogLevel.Error,
        "Gave up delivery {DeliveryId} after attempt {Attempt}. It waits for an operator. Reason: {Reason}")]
    private partial void LogDead(Guid deliveryId, int attempt, string? reason);
}
