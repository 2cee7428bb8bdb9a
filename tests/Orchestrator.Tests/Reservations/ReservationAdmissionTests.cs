using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>A key makes one reservation, a customer has one unpaid reservation, and a pass buys once.</summary>
public sealed class ReservationAdmissionTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    private static readonly object Paying = new { scheduleId = 31, seatNumbers = new[] { 7, 8 }, pay = true };

    [Fact]
    public async Task Reserve_WithAPassThatHasBought_IsRefusedWithoutACommand()
    {
        var user = host.User();
        var (pass, key) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var bought = (await user.ReserveAsync(Paying, key, pass: pass)).Is(201).Has("Confirmed");

        (await user.ReserveAsync(Paying, pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");
        (await user.ReserveAsync(pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");

        Assert.Equal(4, user.Script.Commands.Count);
        // A repeat of the purchase gets its answer, and a cancellation does not revive the pass.
        Assert.Equal(bought.ReservationId, (await user.ReserveAsync(Paying, key, pass: pass)).Is(201).ReservationId);
        (await user.CancelAsync(bought.ReservationId)).Is(200).Has("Cancelled");
        (await user.ReserveAsync(Paying, pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");
        (await user.ReserveAsync(Paying, pass: Guid.CreateVersion7())).Is(201).Has("Confirmed");
    }

    [Fact]
    public async Task Reserve_TwiceAtOnceWithOnePass_BuysOnce()
    {
        for (var round = 0; round < 10; round++)
        {
            var user = host.User();
            var pass = Guid.CreateVersion7();
            var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => user.ReserveAsync(Paying, pass: pass)));
            Assert.Single(answers, answer => answer.Status == 201);
            Assert.All(answers.Where(answer => answer.Status != 201),
                answer => Assert.Contains(answer.Code, new[] { "QUEUE_TOKEN_REVOKED", "RESERVATION_IN_PROGRESS" }));
        }
    }

    [Fact]
    public async Task Reserve_WithAPassWhoseReservationEndedUnpaid_IsAllowed()
    {
        var user = host.User();
        var pass = Guid.CreateVersion7();
        (await user.CancelAsync((await user.ReserveAsync(pass: pass)).Is(201).ReservationId)).Is(200).Has("Cancelled");
        (await user.ReserveAsync(Paying, pass: pass)).Is(201).Has("Confirmed");
    }

    [Theory]
    [InlineData("""{"scheduleId":31,"seatNumbers":[]}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":null}""")]
    [InlineData("""{"scheduleId":31}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[7,7]}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[1,2,3,4,5]}""")]
    public async Task Reserve_WithInvalidSeats_Is422(string body)
    {
        var user = host.User();

        var answer = (await user.PostAsync(body, "application/json", Guid.CreateVersion7().ToString())).Is(422, "INVALID_SEATS");

        Assert.NotEmpty(answer.Body.GetProperty("errors").GetProperty("seatNumbers").EnumerateArray());
        Assert.Empty(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_Repeated_JoinsTheFirst()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();

        var first = (await user.ReserveAsync(new { scheduleId = 31, seatNumbers = new[] { 7, 8 } }, key)).Is(201);
        var second = (await user.ReserveAsync(new { seatNumbers = new[] { 8, 7 }, pay = false, scheduleId = 31 }, key)).Is(201);

        Assert.Equal((false, true), (first.IsReplay, second.IsReplay));
        Assert.Equal(first.ReservationId, second.ReservationId);
        Assert.Single(user.Script.Commands);
    }

    [Theory]
    [InlineData(32, 7, false)]
    [InlineData(31, 9, false)]
    [InlineData(31, 7, true)]
    public async Task Reserve_SameKeyWithAnotherRequest_Is422(int schedule, int seat, bool pay)
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        (await user.ReserveAsync(new { scheduleId = 31, seatNumbers = new[] { 7 } }, key)).Is(201);

        var answer = (await user.ReserveAsync(new { scheduleId = schedule, seatNumbers = new[] { seat }, pay }, key))
            .Is(422, "IDEMPOTENCY_KEY_REUSED");

        Assert.True(answer.Body.TryGetProperty("errors", out _));
    }

    [Fact]
    public async Task Reserve_SameKeyOfAnotherUser_IsAnotherReservation()
    {
        var key = Guid.CreateVersion7();
        var mine = (await host.User().ReserveAsync(key: key)).Is(201);
        var other = (await host.User().ReserveAsync(key: key)).Is(201);
        Assert.False(other.IsReplay);
        Assert.NotEqual(mine.ReservationId, other.ReservationId);
    }

    [Fact]
    public async Task Reserve_FiftyAtOnceWithOneKey_MakeOneReservation()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => user.ReserveAsync(key: key)));

        Assert.All(answers, answer => answer.Is(201).Has("AwaitingPayment"));
        Assert.Single(answers, answer => !answer.IsReplay);
        Assert.Single(answers.Select(answer => answer.ReservationId).Distinct());
        Assert.Equal(1, await host.DatabaseAsync(database => database.Reservations.CountAsync(row => row.UserId == user.Id)));
        Assert.Single(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_FiftyAtOnceWithTheirOwnKeys_LeaveOneUnpaid()
    {
        var user = host.User();

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => user.ReserveAsync()));

        var winner = Assert.Single(answers, answer => answer.Status == 201);
        Assert.All(answers.Where(answer => answer != winner),
            answer => Assert.Equal(winner.ReservationId, answer.Is(409, "RESERVATION_IN_PROGRESS").ReservationId));
        Assert.Single(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_ManyAtOnceThatAllEndAtOnce_IsNeverAnError()
    {
        var user = host.User();
        user.Script.RefuseHold("SEAT_UNAVAILABLE", 7);

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => user.ReserveAsync()));

        Assert.All(answers, answer => Assert.Contains(answer.Code, new[] { "SEAT_UNAVAILABLE", "RESERVATION_IN_PROGRESS" }));
    }

    [Fact]
    public async Task Reserve_WhileAnotherIsUnpaid_NamesItAlsoWhenRepeated()
    {
        var user = host.User();
        var unpaid = await user.HoldAsync();
        var key = Guid.CreateVersion7();

        Assert.Equal(unpaid, (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS").ReservationId);
        (await user.CancelAsync(unpaid)).Is(200);
        var replay = (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS");

        Assert.Equal((true, unpaid), (replay.IsReplay, replay.ReservationId));
        await user.HoldAsync();
    }

    [Fact]
    public async Task Reserve_AfterTheOtherIsPaid_IsAllowed()
    {
        var user = host.User();
        (await user.PayAsync(await user.HoldAsync())).Is(200);
        await user.HoldAsync();
    }

    [Fact]
    public async Task Reserve_KeyOlderThanADay_IsNewAgain()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        var first = (await user.ReserveAsync(Paying, key)).Is(201).Has("Confirmed");

        await AgeAsync(TimeSpan.FromHours(24) - TimeSpan.FromSeconds(1));
        Assert.True((await user.ReserveAsync(Paying, key)).Is(201).IsReplay);
        await AgeAsync(TimeSpan.FromSeconds(1));
        var second = (await user.ReserveAsync(key: key)).Is(201).Has("AwaitingPayment");

        Assert.False(second.IsReplay);
        Assert.NotEqual(first.ReservationId, second.ReservationId);
        Assert.True((await user.ReserveAsync(key: key)).Is(201).IsReplay);

        // Ages the row, because the host would run its timers for every second of a day.
        Task AgeAsync(TimeSpan by) => host.DatabaseAsync(async database =>
        {
            var row = await database.Reservations.SingleAsync(row => row.CorrelationId == first.ReservationId);
            row.CreatedAt -= by;
            return await database.SaveChangesAsync();
        });
    }

    [Fact]
    public async Task Reserve_WithAPassOfAnotherConcert_IsRefusedAndTheKeyIsFreeAgain()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.RefuseHold("QUEUE_TOKEN_WRONG_CONCERT");
        var refused = (await user.ReserveAsync(key: key, concertId: 2)).Is(403, "QUEUE_TOKEN_WRONG_CONCERT").Has("Rejected");
        Assert.Equal(2, Assert.Single(user.Script.Commands.OfType<HoldSeats>()).ConcertId);

        user.Script.Hold = new Script().Hold;
        var reserved = (await user.ReserveAsync(key: key, concertId: 3)).Is(201).Has("AwaitingPayment");

        Assert.False(reserved.IsReplay);
        Assert.NotEqual(refused.ReservationId, reserved.ReservationId);
        Assert.Equal(reserved.ReservationId, (await user.ReserveAsync(key: key, concertId: 3)).Is(201).ReservationId);
    }
}
