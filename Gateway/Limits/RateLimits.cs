using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Threading.RateLimiting;
using ConcertSaga.Gateway.SignIn;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.RateLimiting;

namespace ConcertSaga.Gateway.Limits;

/// <summary>
/// Section <c>RateLimits</c>: one bucket per policy and signed-in user, or else address. Routes name their policy, so that polling never
/// eats into what booking may use. The defaults stop floods, not people.
/// </summary>
public sealed class RateLimitsOptions
{
    /// <summary>Lists and balances: 100 a second, 200 at once.</summary>
    public RateLimit Read { get; set; } = new();

    /// <summary>What clients ask again and again, such as seat maps and a reservation's state: 100 a second, 200 at once.</summary>
    public RateLimit Poll { get; set; } = new();

    /// <summary>Entering and leaving the waiting room: 100 a second, 200 at once.</summary>
    public RateLimit Queue { get; set; } = new();

    /// <summary>Everything else that changes something: 100 a second, 200 at once.</summary>
    public RateLimit Booking { get; set; } = new();

    /// <summary>Demo sign-in, by address: 1,000 a second, 5,000 at once, because a load test signs a crowd in from one machine.</summary>
    public RateLimit SignIn { get; set; } = new() { PerSecond = 1000, Burst = 5000 };
}

/// <summary>One policy: a bucket of tokens, one taken by each request.</summary>
public sealed class RateLimit
{
    /// <summary>Tokens put back each second.</summary>
    [Range(1, 1_000_000)]
    public int PerSecond { get; set; } = 100;

    /// <summary>What the bucket holds.</summary>
    [Range(1, 1_000_000)]
    public int Burst { get; set; } = 200;
}

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
                context.RequestServices.GetRequiredService<PollBuckets>(), owner, context.RequestServices.GetRequiredService<TimeProvider>())));
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

    /// <summary>Whose bucket a signed-in user takes from.</summary>
    internal static string OwnerOf(string userId) => $"user {userId}";

    /// <summary>
    /// Whose bucket a request takes from. An IPv6 caller owns a whole /64, so single addresses of it are not told apart: otherwise one
    /// machine would have as many buckets as it likes.
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
