using System.Collections.Concurrent;
using System.Threading.RateLimiting;

namespace ConcertSaga.Gateway.Limits;

/// <summary>
/// The buckets of the policy <c>Poll</c>, from which both ways to answer a poll take. A bucket is the one instant at which it will be full
/// again. Nothing has to fill them, and one that nobody took from for as long as the whole bucket takes is full, which is what no bucket
/// means: so only those of the last few seconds are kept, however many people wait.
/// </summary>
internal sealed class PollBuckets(RateLimit limit, TimeProvider time)
{
    private readonly long _each = Math.Max(1, time.TimestampFrequency / limit.PerSecond);
    private Kept _kept = new(new(), new(), time.GetTimestamp());

    /// <summary>How many are kept.</summary>
    internal int Count => _kept.New.Count + _kept.Old.Count;

    private long Whole => _each * limit.Burst;

    /// <summary>Takes one token of the owner's, if there is one.</summary>
    /// <returns>Zero when it was taken; otherwise how long until there is one.</returns>
    public TimeSpan Take(string owner)
    {
        var now = time.GetTimestamp();
        var kept = Volatile.Read(ref _kept);
        if (now - kept.Since > Whole)
        {
            Interlocked.CompareExchange(ref _kept, new(new(), kept.New, now), kept);
            kept = Volatile.Read(ref _kept);
        }
        while (true)
        {
            var isKnown = kept.New.TryGetValue(owner, out var fullAt);
            if (!isKnown)
                kept.Old.TryGetValue(owner, out fullAt);
            var next = Math.Max(fullAt, now) + _each;
            if (next - now > Whole)
                return time.GetElapsedTime(now + Whole, next);
            if (isKnown ? kept.New.TryUpdate(owner, next, fullAt) : kept.New.TryAdd(owner, next))
                return TimeSpan.Zero;
        }
    }

    /// <summary>The buckets taken from since an instant, and those taken from before and not since.</summary>
    private sealed record Kept(ConcurrentDictionary<string, long> New, ConcurrentDictionary<string, long> Old, long Since);

    /// <summary>One owner's bucket, as the framework's limiter wants it.</summary>
    internal sealed class Limiter(PollBuckets buckets, string owner, TimeProvider time) : RateLimiter
    {
        private long _used = time.GetTimestamp();

        public override TimeSpan? IdleDuration => time.GetElapsedTime(Volatile.Read(ref _used));

        public override RateLimiterStatistics? GetStatistics() => null;

        protected override RateLimitLease AttemptAcquireCore(int permitCount)
        {
            Volatile.Write(ref _used, time.GetTimestamp());
            return permitCount == 0 ? new Lease(TimeSpan.Zero) : new Lease(buckets.Take(owner));
        }

        protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken) => new(AttemptAcquireCore(permitCount));
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
