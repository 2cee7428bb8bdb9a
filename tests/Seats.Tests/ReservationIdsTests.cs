using ConcertSaga.Contracts;
using Xunit;

namespace ConcertSaga.Seats.Tests;

public sealed class ReservationIdsTests
{
    private static readonly Guid OfVersion4 = Guid.Parse("5d6a1f5e-6c1b-4d4e-9c55-3f1d3ad0b6f2");

    [Fact]
    public void RequestedAt_AnyId_IsItsTimeOrNull()
    {
        var now = new DateTimeOffset(2026, 6, 1, 12, 0, 0, 123, TimeSpan.Zero);
        Assert.Equal(now, ReservationIds.RequestedAt(Guid.CreateVersion7(now)));
        Assert.Equal(DateTimeOffset.UnixEpoch, ReservationIds.RequestedAt(Guid.CreateVersion7(DateTimeOffset.UnixEpoch)));
        Assert.Null(ReservationIds.RequestedAt(OfVersion4));
        Assert.Null(ReservationIds.RequestedAt(Guid.Empty));
        Assert.Null(ReservationIds.RequestedAt(Guid.Parse("ffffffff-ffff-7fff-bfff-ffffffffffff")));
        Assert.False(ReservationIds.IsOutdated(Guid.CreateVersion7(now.AddDays(1)), now, TimeSpan.FromDays(7)));
        Assert.False(ReservationIds.IsOutdated(OfVersion4, now, TimeSpan.FromDays(7)));
    }
}
