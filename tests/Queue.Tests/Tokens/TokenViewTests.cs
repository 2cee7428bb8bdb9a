using ConcertSaga.Contracts.Queue;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Tokens;

public sealed class TokenViewTests
{
    [Theory]
    // Two customers per second: near the front, further back, and so far back that the poll budget matters.
    [InlineData(101, 100, 1_000_000, 1, 1, 1, 1)]
    [InlineData(130, 100, 1_000_000, 30, 12, 21, 6)]
    [InlineData(200, 100, 1_000_000, 100, 38, 68, 10)]
    [InlineData(201, 100, 600_100, 101, 38, 69, 30)]
    [InlineData(900_000, 100, 1_000_000, 899_900, 337_463, 607_433, 45)]
    // Already offered, but not claimed.
    [InlineData(90, 100, 1_000, 1, 1, 1, 1)]
    public void Waiting_AtAPosition_EstimatesTheWaitAndThePollInterval(
        long number, long serving, long issued, long position, int low, int high, int poll)
    {
        var view = View(number, Room(serving, issued), 0);

        Assert.Equal((position, position - 1), (view.Position, view.PeopleAhead));
        Assert.Equal(new WaitRange(low, high), view.EstimatedWaitSeconds);
        Assert.Equal(poll, view.PollAfterSeconds);
    }

    [Fact]
    public void Waiting_WithJitter_IsSpreadByAFifth()
    {
        Assert.Equal(8, View(200, Room(100, 1_000), -1).PollAfterSeconds);
        Assert.Equal(12, View(200, Room(100, 1_000), 1).PollAfterSeconds);
        // A client must not miss a claim window of one minute.
        Assert.Equal(45, View(900_000, Room(100, 1_000_000), 1).PollAfterSeconds);
        Assert.Equal(36, View(900_000, Room(100, 1_000_000), -1).PollAfterSeconds);
    }

    [Theory]
    [InlineData(QueueAdmission.Paused)]
    [InlineData(QueueAdmission.Suspended)]
    [InlineData(QueueAdmission.Closed)]
    public void Waiting_WithoutAdmission_HasNoEstimate(QueueAdmission admission)
    {
        var view = View(130, Room(100, 1_000) with { Admission = admission }, 0);
        Assert.Null(view.EstimatedWaitSeconds);
        Assert.Equal(10, view.PollAfterSeconds);
    }

    [Fact]
    public void Waiting_BeforeTheSale_EstimatesFromTheOpening()
    {
        var view = View(120, Room(100, 1_000) with { Admission = QueueAdmission.NotOpenYet, SaleOpensAt = Now.AddHours(1) }, 0);
        Assert.Equal(new WaitRange(3_608, 3_614), view.EstimatedWaitSeconds);
    }

    private static QueueAdvanced Room(long serving, long issued) =>
        new(1, 1, serving, 2, Now, issued, 10, Now.AddDays(-1), Now.AddDays(1), QueueAdmission.Open);

    private static QueueTokenView View(long number, QueueAdvanced room, double jitter) =>
        QueueTokenView.Waiting("token", Guid.Empty, number, Now.AddDays(1), room, 20_000, Now, jitter);
}
