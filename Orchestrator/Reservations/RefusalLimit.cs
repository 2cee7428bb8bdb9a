using System.Globalization;
using System.Threading.RateLimiting;
using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Slows down a customer whose requests are repeatedly refused or cancelled. Each of them leaves rows, and a program in a loop would fill
/// the tables. Each replica counts in memory; the limiter forgets idle customers.
/// </summary>
public sealed class RefusalLimit(IOptions<ReservationOptions> options) : IDisposable
{
    private readonly PartitionedRateLimiter<string> _refusals = PartitionedRateLimiter.Create<string, string>(userId =>
        RateLimitPartition.GetTokenBucketLimiter(userId, _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = options.Value.MaxRefusals,
            TokensPerPeriod = 1,
            ReplenishmentPeriod = options.Value.RefusalForgottenAfter,
            QueueLimit = 0
        }));

    /// <summary>The refusal for a customer who must wait; null if there is no need to.</summary>
    /// <param name="userId">The customer.</param>
    /// <param name="response">Gets the time to wait.</param>
    /// <param name="pending">The customer's refusals that are not counted yet.</param>
    public ProblemHttpResult? Check(string userId, HttpResponse response, int pending = 0)
    {
        // Acquiring zero permits would succeed with any fraction of a permit.
        if ((_refusals.GetStatistics(userId)?.CurrentAvailablePermits ?? options.Value.MaxRefusals) > pending)
            return null;
        response.Headers.RetryAfter = options.Value.RefusalForgottenAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        return Problems.Refuse(StatusCodes.Status429TooManyRequests, RefusalCodes.TooManyRequests,
            "Too many of your requests were refused or cancelled. Wait as long as Retry-After says, then try again.");
    }

    /// <summary>Counts one refusal.</summary>
    public void Count(string userId) => _refusals.AttemptAcquire(userId).Dispose();

    public void Dispose() => _refusals.Dispose();
}
