using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Threading.RateLimiting;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.RateLimiting;

namespace ConcertSaga.Gateway.Limits;

/// <summary>
/// Section <c>RateLimits</c>: one bucket per policy and signed-in user, or per address without a user. Each route names its policy, so
/// polling never uses up the limit of booking. The defaults stop floods, not customers.
/// </summary>
public sealed class RateLimitsOptions
{
    /// <summary>Lists and balances: 100 a second, 200 at once.</summary>
    public RateLimit Read { get; set; } = new();

    /// <summary>Requests that clients repeat, such as seat maps and a reservation's state: 100 a second, 200 at once.</summary>
    public RateLimit Poll { get; set; } = new();

    /// <summary>Entering and leaving the waiting room: 100 a second, 200 at once.</summary>
    public RateLimit Queue { get; set; } = new();

    /// <summary>All other changes: 100 a second, 200 at once.</summary>
    public RateLimit Booking { get; set; } = new();

    /// <summary>Sign-in, by address: 1,000 a second, 5,000 at once, because a load test signs a crowd in from one machine.</summary>
    public RateLimit SignIn { get; set; } = new() { PerSecond = 1000, Burst = 5000 };
}

/// <summary>A policy: a bucket of tokens, of which each request takes one.</summary>
public sealed class RateLimit
{
    /// <summary>Tokens added each second.</summary>
    [Range(1, 1_000_000)]
    public int PerSecond { get; set; } = 100;

    /// <summary>The capacity of the bucket.</summary>
    [Range(1, 1_000_000)]
    public int Burst { get; set; } = 200;
}

/// <summary>Limits the rate of requests, by user or address.</summary>
internal static class RateLimits
{
    public static void AddRateLimits(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<RateLimitsOptions>("RateLimits");
        builder.Services.AddSingleton(services => new PollBuckets(options.Poll, services.GetRequiredService<TimeProvider>()));
        builder.Services.AddRateLimiter(limiter =>
        {
            limiter.AddBucket(nameof(options.Read), options.Read);
            limiter.AddPolicy(nameof(options.Poll), context => RateLimitPartition.Get(Owner(context), owner => new PollBuckets.Limiter(
                context.RequestServices.GetRequiredService<PollBuckets>(), owner,
                    context.RequestServices.GetRequiredService<TimeProvider>())));
            limiter.AddBucket(nameof(options.Queue), options.Queue);
            limiter.AddBucket(nameof(options.Booking), options.Booking);
            limiter.AddBucket(nameof(options.SignIn), options.SignIn);
            limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            limiter.OnRejected = (rejected, _) =>
            {
                var wait = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after : TimeSpan.FromSeconds(1);
                rejected.HttpContext.Response.Headers.RetryAfter =
                    Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
                return ValueTask.CompletedTask;
            };
        });
    }

    private static void AddBucket(this RateLimiterOptions limiter, string policy, RateLimit limit)
    {
        var bucket = new TokenBucketRateLimiterOptions
        {
            TokenLimit = limit.Burst,
            TokensPerPeriod = limit.PerSecond,
            ReplenishmentPeriod = TimeSpan.FromSeconds(1),
            QueueLimit = 0
        };
        limiter.AddPolicy(policy, context => RateLimitPartition.GetTokenBucketLimiter(Owner(context), _ => bucket));
    }

    /// <summary>The owner of the bucket of a signed-in user.</summary>
    internal static string OwnerOf(string userId) => $"user {userId}";

    /// <summary>
    /// The owner of the bucket of a request. An IPv6 caller owns a whole /64, so the /64 has one bucket. Otherwise a single machine could
    /// use as many buckets as it likes.
    /// </summary>
    internal static string Owner(HttpContext context)
    {
        if (context.User.UserId() is { } user)
            return OwnerOf(user);
        var address = context.Connection.RemoteIpAddress;
        if (address is { IsIPv4MappedToIPv6: true })
            address = address.MapToIPv4();
        return address is { AddressFamily: AddressFamily.InterNetworkV6 }
            ? $"address {new IPAddress([.. address.GetAddressBytes().AsSpan(0, 8), .. new byte[8]])}"
            : $"address {address}";
    }
}
