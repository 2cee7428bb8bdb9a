using ConcertSaga.Operations.Owners;
using Xunit;

namespace ConcertSaga.Operations.Tests.Owners;

/// <summary>How many changes an owner gets at once.</summary>
public sealed class OwnerPaceTests
{
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(100), Middle = TimeSpan.FromMilliseconds(200),
        Slow = TimeSpan.FromMilliseconds(400);

    [Fact]
    public void Owner_ThatIsQuick_GetsMoreUpToALimit() => Assert.Equal([20, 40, 80, 100, 100], Sizes(new OwnerPace(), Quick, 5));

    [Fact]
    public void Owner_ThatIsSlow_GetsFewerDownToALimit()
    {
        var pace = new OwnerPace();
        Sizes(pace, Quick, 4);

        Assert.Equal([100, 100], Sizes(pace, Middle, 2));
        Assert.Equal([50, 25, 12, 10, 10], Sizes(pace, Slow, 5));
    }

    /// <summary>One message that gets lost must not stop the operation, and a long outage must not pile up messages.</summary>
    [Fact]
    public void Owner_ThatDoesNotRecord_GetsOneUntilItDoes()
    {
        var pace = new OwnerPace();
        Sizes(pace, Quick, 4);

        pace.Learn(100, TimeSpan.FromSeconds(1), areRecorded: false);
        Assert.Equal(1, pace.Next);
        pace.Learn(1, TimeSpan.FromSeconds(1), areRecorded: false);
        Assert.Equal(1, pace.Next);
        pace.Learn(1, Quick, areRecorded: true);
        Assert.Equal(25, pace.Next);
    }

    [Fact]
    public void Owner_ThatRecordsOnlyAFew_GetsNoMore()
    {
        var pace = new OwnerPace();

        pace.Learn(3, Quick, areRecorded: true);

        Assert.Equal(10, pace.Next);
    }

    [Fact]
    public void Owner_ThatIsSlow_RestsAsMuchAsItTakesLonger() => Assert.Equal([0, 0, 50, 850],
        new[] { 100, 150, 200, 1000 }.Select(taken =>
            new OwnerPace().Learn(10, TimeSpan.FromMilliseconds(taken), areRecorded: true).TotalMilliseconds));

    private static int[] Sizes(OwnerPace pace, TimeSpan taken, int rounds) => [.. Enumerable.Range(0, rounds).Select(_ =>
    {
        pace.Learn(pace.Next, taken, areRecorded: true);
        return pace.Next;
    })];
}
