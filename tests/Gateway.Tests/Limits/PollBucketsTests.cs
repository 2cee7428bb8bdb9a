using ConcertSaga.Gateway.Limits;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Gateway.Tests.Limits;

public sealed class PollBucketsTests
{
    [Fact]
    public void Bucket_AfterItsBurst_YieldsWhatIsAdded()
    {
        var time = new FakeTimeProvider();
        var buckets = new PollBuckets(new RateLimit { Burst = 20, PerSecond = 10 }, time);
        for (var i = 0; i < 20; i++)
            Assert.Equal(TimeSpan.Zero, buckets.Take("mina"));

        Assert.Equal(TimeSpan.FromMilliseconds(100), buckets.Take("mina"));
        Assert.Equal(TimeSpan.Zero, buckets.Take("tom"));
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(TimeSpan.Zero, buckets.Take("mina"));
        Assert.NotEqual(TimeSpan.Zero, buckets.Take("mina"));

        // However long the bucket is idle, and even if it is dropped, it never holds more than its burst, nor less than was added.
        foreach (var (seconds, tokens) in new[] { (1.5, 15), (2.0, 20), (2.5, 20), (60.0, 20) })
        {
            time.Advance(TimeSpan.FromSeconds(seconds));
            Assert.Equal(tokens, Enumerable.Range(0, 30).Count(_ => buckets.Take("mina") == TimeSpan.Zero));
        }
    }

    [Fact]
    public void Buckets_OfOneTimeCallers_AreDropped()
    {
        var time = new FakeTimeProvider();
        var buckets = new PollBuckets(new RateLimit(), time);
        var maxCount = 0;
        for (var user = 0; user < 100_000; user++)
        {
            buckets.Take($"user {user}");
            if (user % 1000 == 0)
            {
                time.Advance(TimeSpan.FromMilliseconds(500));
                maxCount = Math.Max(maxCount, buckets.Count);
            }
        }

        // A bucket is full again after two seconds, and two such periods are kept, at 2,000 users a second.
        Assert.InRange(maxCount, 4000, 10_000);
    }
}
