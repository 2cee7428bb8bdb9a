using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Rooms;
using Microsoft.Extensions.Options;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Rooms;

public sealed class RoomDescriberTests
{
    /// <summary>Replicas tick at least as often as admissions are due, and no room announces a shorter interval.</summary>
    [Theory]
    [InlineData("00:00:00.100", "00:00:00.250", "00:00:00.100", "00:00:00.100")]
    [InlineData("00:00:05", "00:00:00.250", "00:00:00.100", "00:00:00.250")]
    [InlineData("00:00:05", "00:00:00.250", "00:00:01", "00:00:01")]
    public void Interval_OfARoom_IsNoShorterThanATick(string configured, string tick, string own, string effective)
    {
        var options = Options.Create(
            new QueueOptions { Interval = TimeSpan.Parse(configured, null), TickInterval = TimeSpan.Parse(tick, null) });
        var rooms = new RoomDescriber(options, new BookingWatch(options, TimeProvider.System), new SoldOutConcerts());
        var room = new WaitingRoom { ConcertId = 1, SaleOpensAt = Now, SaleClosesAt = Now, Interval = TimeSpan.Parse(own, null) };

        Assert.Equal(TimeSpan.Parse(effective, null), rooms.SettingsOf(room).Interval);
        Assert.Equal(rooms.SettingsOf(room).Interval.TotalSeconds, rooms.Describe(room, Now).IntervalSeconds);
    }
}
