using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>
/// The refused seats and the blocking reservation have columns of their own. The previous version had them in the text of the failure, and
/// its replicas may run beside this one.
/// </summary>
public sealed class ReservationRefusalsTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    [Theory]
    [InlineData("SEAT_UNAVAILABLE", 409)]
    [InlineData("SEAT_NOT_FOUND", 404)]
    public async Task Seats_OfARowOfThePreviousVersion_AreReadFromItsText(string code, int status)
    {
        var (user, key) = (host.User(), Guid.CreateVersion7());
        user.Script.RefuseHold(code, 7, 8);
        var refused = (await user.ReserveAsync(key: key)).Is(status, code);
        await ChangeAsync(refused.ReservationId, row => row.RefusedSeats = null);

        var repeat = (await user.ReserveAsync(key: key)).Is(status, code);

        Assert.Equal("[7,8]", repeat.Body.GetProperty("seats").GetRawText());
    }

    [Fact]
    public async Task Blocker_OfARowOfThePreviousVersion_IsReadFromItsText()
    {
        var (user, key) = (host.User(), Guid.CreateVersion7());
        var unpaid = await user.HoldAsync();
        (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS");
        await ChangeAsync(await RejectedAsync(user), row => row.BlockedBy = null);

        Assert.Equal(unpaid, (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS").ReservationId);
    }

    [Fact]
    public async Task Seats_OfARowOfThisVersion_AreReadFromTheirColumn()
    {
        var (user, key) = (host.User(), Guid.CreateVersion7());
        user.Script.RefuseHold("SEAT_UNAVAILABLE", 7, 8);
        var refused = (await user.ReserveAsync(key: key)).Is(409, "SEAT_UNAVAILABLE");
        var row = await host.RowAsync(refused.ReservationId);
        Assert.Equal([7, 8], row.RefusedSeats!);
        // A replica of the previous version reads this.
        Assert.Equal("Seats 7,8.", row.FailureDetail);
        await ChangeAsync(refused.ReservationId, row => row.FailureDetail = "Another text.");

        Assert.Equal("[7,8]", (await user.ReserveAsync(key: key)).Is(409, "SEAT_UNAVAILABLE").Body.GetProperty("seats").GetRawText());
    }

    [Fact]
    public async Task Blocker_OfARowOfThisVersion_IsReadFromItsColumn()
    {
        var (user, key) = (host.User(), Guid.CreateVersion7());
        var unpaid = await user.HoldAsync();
        (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS");
        var row = await host.RowAsync(await RejectedAsync(user));
        Assert.Equal(unpaid, row.BlockedBy);
        // A replica of the previous version reads this.
        Assert.Equal(unpaid.ToString(), row.FailureDetail);
        await ChangeAsync(row.CorrelationId, row => row.FailureDetail = "Another text.");

        Assert.Equal(unpaid, (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS").ReservationId);
    }

    [Fact]
    public async Task Seats_NoneNamed_AreAnEmptyList()
    {
        var user = host.User();
        user.Script.RefuseHold("SEAT_UNAVAILABLE");

        Assert.Equal("[]", (await user.ReserveAsync()).Is(409, "SEAT_UNAVAILABLE").Body.GetProperty("seats").GetRawText());
    }

    private Task<Guid> RejectedAsync(User user) => host.DatabaseAsync(database => database.Reservations
        .Where(row => row.UserId == user.Id && row.CurrentState == ReservationStates.Rejected)
        .Select(row => row.CorrelationId).SingleAsync());

    private Task<int> ChangeAsync(Guid id, Action<Reservation> change) => host.DatabaseAsync(async database =>
    {
        change(await database.Reservations.SingleAsync(row => row.CorrelationId == id));
        return await database.SaveChangesAsync();
    });
}
