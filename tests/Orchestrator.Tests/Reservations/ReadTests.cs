using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary><c>GET /api/reservations</c> and <c>GET /api/reservations/{id}</c>.</summary>
public sealed class ReadTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    [Fact]
    public async Task Get_OfAnotherUser_IsNotFound()
    {
        var id = await host.User().HoldAsync();
        (await host.User().GetAsync(id)).Is(404, "RESERVATION_NOT_FOUND");
        (await host.User().GetAsync(Guid.CreateVersion7())).Is(404, "RESERVATION_NOT_FOUND");
    }

    [Fact]
    public async Task Get_OfAUserWhoseIdDiffersInCaseOnly_IsNotFound()
    {
        var mina = host.User($"mina-{Guid.CreateVersion7()}");
        var id = await mina.HoldAsync();
        (await host.User(mina.Id.Replace("mina", "Mina", StringComparison.Ordinal)).GetAsync(id)).Is(404, "RESERVATION_NOT_FOUND");
    }

    [Fact]
    public async Task Get_WithAMalformedId_IsNoRoute() => (await host.User().GetAsync("/api/reservations/7")).Is(404, "NOT_FOUND");

    [Fact]
    public async Task List_WithoutStatus_IsNewestFirstWithoutRejected()
    {
        var user = host.User();
        var cancelled = await user.HoldAsync();
        (await user.CancelAsync(cancelled)).Is(200);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        user.Script.RefuseHold("SCHEDULE_CLOSED");
        var rejected = (await user.ReserveAsync()).Is(409, "SCHEDULE_CLOSED").ReservationId;
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        user.Script.Hold = new Script().Hold;
        var waiting = await user.HoldAsync();

        Assert.Equal([waiting, cancelled], Ids(await user.GetAsync("/api/reservations")));
        Assert.Equal([rejected], Ids(await user.GetAsync("/api/reservations?status=Rejected")));
        Assert.Equal([cancelled], Ids(await user.GetAsync("/api/reservations?status=cancelled")));
        Assert.Equal([waiting], Ids(await user.GetAsync("/api/reservations?status=AwaitingPayment")));
        Assert.Empty(Ids(await user.GetAsync("/api/reservations?status=Paying")));
        Assert.Empty(Ids(await host.User().GetAsync("/api/reservations")));
    }

    [Fact]
    public async Task List_StatusOfSeveralStates_FindsAll()
    {
        var user = host.User();
        user.Script.Hold = _ => null;
        var pending = (await user.ReserveAsync(prefer: "wait=0")).Is(202).Has("Pending").ReservationId;

        Assert.Equal([pending], Ids(await user.GetAsync("/api/reservations?status=Pending")));
        (await user.GetAsync("/api/reservations?status=HoldingSeats")).Is(400, "BAD_REQUEST");
    }

    [Fact]
    public async Task List_InPages_ShowsEachOnce()
    {
        var user = host.User();
        var made = new List<Guid>();
        for (var i = 0; i < 5; i++)
        {
            made.Insert(0, (await user.ReserveAsync(new { scheduleId = 31, seatNumbers = new[] { 7 }, pay = true })).Is(201).ReservationId);
            host.Clock.Advance(TimeSpan.FromTicks(10));
        }

        var seen = new List<Guid>();
        var sizes = new List<int>();
        string? cursor = null;
        do
        {
            var page = (await user.GetAsync($"/api/reservations?limit=2&cursor={cursor}")).Is(200);
            sizes.Add(Ids(page).Length);
            seen.AddRange(Ids(page));
            cursor = page.Text("nextCursor");
        }
        while (cursor is not null);

        Assert.Equal([2, 2, 1], sizes);
        Assert.Equal(made, seen);
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=101")]
    [InlineData("limit=-1")]
    [InlineData("limit=many")]
    [InlineData("cursor=7")]
    [InlineData("cursor=!")]
    [InlineData("cursor=LTU")] // -5
    [InlineData("cursor=OTIyMzM3MjAzNjg1NDc3NTgwNw")] // long.MaxValue
    [InlineData("status=Paid")]
    [InlineData("status=")]
    public async Task List_WithAnInvalidValue_Is400(string query) =>
        (await host.User().GetAsync($"/api/reservations?{query}")).Is(400, "BAD_REQUEST");

    private static Guid[] Ids(Answer page) =>
        [.. page.Is(200).Body.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("reservationId").GetGuid())];
}
