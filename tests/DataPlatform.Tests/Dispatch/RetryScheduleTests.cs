using ConcertSaga.DataPlatform.Dispatch;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

public sealed class RetryScheduleTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 5)]
    [InlineData(2, 30)]
    [InlineData(3, 120)]
    [InlineData(4, 600)]
    [InlineData(5, 1_800)]
    [InlineData(6, 7_200)]
    [InlineData(7, 18_000)]
    [InlineData(8, 36_000)]
    [InlineData(9, 36_000)]
    [InlineData(50, 36_000)]
    public void Wait_AfterAFailure_IsRandomUpToTheMaximum(int attempts, int seconds)
    {
        var waits = Enumerable.Range(0, 2_000).Select(_ => RetrySchedule.Wait(attempts).TotalSeconds).ToList();
        Assert.All(waits, wait => Assert.InRange(wait, 0, seconds));
        Assert.InRange(waits.Average(), seconds * 0.45, seconds * 0.55);
        Assert.True(seconds == 0 || (waits.Min() < seconds * 0.05 && waits.Max() > seconds * 0.95), "the waits do not spread");
    }

    [Theory]
    [InlineData(8, 48, false)]
    [InlineData(9, 23, false)]
    [InlineData(9, 24, true)]
    [InlineData(30, 23, false)]
    [InlineData(30, 25, true)]
    [InlineData(1, 200, false)]
    public void Limits_OfCountAndAge_MustBothBeReached(int attempts, int hours, bool expected) =>
        Assert.Equal(expected, RetrySchedule.IsOver(attempts, TimeSpan.FromHours(hours), new DataPlatformOptions()));
}
