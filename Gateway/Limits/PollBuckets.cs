using System.Collections.Concurrent;
using System.Threading.RateLimiting;

namespace ConcertSaga.Gateway.Limits;

/// <summary>
/// Holds the rate limit buckets of the policy <c>Poll</c>. Both paths that answer a poll take tokens from them. A bucket is a single
/// number, the instant when it is full again, so nothing has to refill it. A full bucket equals a missing one. So this only keeps the
/// buckets of the last few seconds, however many customers wait.
/// </summary>
internal sealed class PollBuckets(RateLimit limit, TimeProvider time)
{
    private readonly long _ticksPerToken = Math.Max(1, time.TimestampFrequency / limit.PerSecond);
    private Generations _generations = new(new(), new(), time.GetTimestamp());

    internal int Count => _generations.New.Count + _generations.Old.Count;

    private long TicksPerBucket => _ticksPerToken * limit.Burst;

    /// <summary>Takes a token from the owner's bucket, if it has one.</summary>
    /// <returns>Zero if it took a token; otherwise how long until the next token.</returns>
    public TimeSpan Take(string owner)
    {
        var now = time.GetTimestamp();
        var generations = Volatile.Read(ref _generations);
        if (now - generations.Since > TicksPerBucket)
        {
            Interlocked.CompareExchange(ref _generations, new(new(), generations.New, now), generations);
            generations = Volatile.Read(ref _generations);
        }
        while (true)
        {
            var isKnown = generations.New.TryGetValue(owner, out var fullAt);
            if (!isKnown)
                generations.Old.TryGetValue(owner, out fullAt);
            var next = Math.Max(fullAt, now) + _ticksPerToken;
            if (next - now > TicksPerBucket)
                return time.GetElapsedTime(now + TicksPerBucket, next);
            if (isKnown ? generations.New.TryUpdate(owner, next, fullAt) : generations.New.TryAdd(owner, next))
                return TimeSpan.Zero;
        }
    }

    /// <summary>The buckets used since an instant, and the buckets used in the period before.</summary>
    private sealed record Generations(ConcurrentDictionary<string, long> New, ConcurrentDictionary<string, long> Old, long Since);

    /// <summary>Adapts the bucket of an owner to the framework's rate limiter.</summary>
    internal sealed class Limiter(PollBuckets buckets, string owner, TimeProvider time) : RateLimiter
    {
        private long _lastUse = time.GetTimestamp();

        public override TimeSpan? IdleDuration => time.GetElapsedTime(Volatile.Read(ref _lastUse));

        public override RateLimiterStatistics? GetStatistics() => null;

        protected override RateLimitLease AttemptAcquireCore(int permitCount)
        {
            Volatile.Write(ref _lastUse, time.GetTimestamp());
            return permitCount == 0 ? new Lease(TimeSpan.Zero) : new Lease(buckets.Take(owner));
        }

        protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken) =>
            new(AttemptAcquireCore(permitCount));
    }

    private sealed class Lease(TimeSpan wait) : RateLimitLease
    {
        public override bool IsAcquired => wait == TimeSpan.Zero;

        public override IEnumerable<string> MetadataNames => IsAcquired ? [] : [MetadataName.RetryAfter.Name];

        public override bool TryGetMetadata(string metadataName, out object? metadata)
        {
            metadata = wait;
            return !IsAcquired && metadataName == MetadataName.RetryAfter.Name;
        }
    }
}
