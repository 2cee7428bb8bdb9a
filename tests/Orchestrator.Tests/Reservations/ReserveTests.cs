using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Tests.Hosts;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary><c>POST /api/reservations</c>.</summary>
public sealed class ReserveTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    private static readonly object Paying = new { scheduleId = 31, seatNumbers = new[] { 7, 8 }, pay = true };

    [Fact]
    public async Task Reserve_SeatsFree_AwaitsPayment()
    {
        var user = host.User();

        var answer = (await user.ReserveAsync(new { scheduleId = 31, seatNumbers = new[] { 8, 7 } })).Is(201).Has("AwaitingPayment");

        Assert.Equal($"/api/reservations/{answer.ReservationId}", answer.Response.Headers.Location?.OriginalString);
        Assert.False(answer.IsReplay);
        Assert.Equal("[7,8]", answer.Body.GetProperty("seatNumbers").GetRawText());
        Assert.Equal((3, 31, 200_000), (answer.Body.GetProperty("concertId").GetInt32(), answer.Body.GetProperty("scheduleId").GetInt32(), answer.Body.GetProperty("totalPrice").GetInt64()));
        Assert.Equal(host.Clock.GetUtcNow().AddMinutes(5), answer.Body.GetProperty("holdExpiresAt").GetDateTimeOffset());
        Assert.Equal(System.Text.Json.JsonValueKind.Null, answer.Body.GetProperty("failure").ValueKind);
        Assert.Equal(answer.Body.GetRawText(), (await user.GetAsync(answer.ReservationId)).Is(200).Body.GetRawText());
    }

    [Fact]
    public async Task Reserve_WithPayment_IsConfirmed()
    {
        var user = host.User();

        var answer = (await user.ReserveAsync(Paying)).Is(201).Has("Confirmed");

        Assert.NotNull(answer.Response.Headers.Location);
        Assert.Equal(["HoldSeats", "DeductPoints", "ConfirmPayment", "ConfirmSeats"], user.Script.Commands.Select(command => command.GetType().Name));
        Assert.Equal(
            ["Requested", "HoldingSeats", "DeductingPoints", "ConfirmingPayment", "ConfirmingSeats", "Confirmed"],
            (await host.HistoryAsync(answer.ReservationId)).Select(one => one.ToState));
    }

    [Fact]
    public async Task Reserve_WithAPassThatHasBought_IsRefusedAndNothingIsSent()
    {
        var user = host.User();
        var (pass, key) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var bought = (await user.ReserveAsync(Paying, key, pass: pass)).Is(201).Has("Confirmed");

        (await user.ReserveAsync(Paying, pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");
        (await user.ReserveAsync(pass: pass)).Is(410, "QUEUE_TOKEN_REVOKED");

        Assert.Equal(4, user.Script.Commands.Count);
        // The repeat of what bought is answered as before; and giving it back does not bring the pass back.
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
            Assert.All(answers.Where(answer => answer.Status != 201), answer => Assert.Contains(answer.Code, new[] { "QUEUE_TOKEN_REVOKED", "RESERVATION_IN_PROGRESS" }));
        }
    }

    [Fact]
    public async Task Reserve_WithAPassWhoseReservationEndedUnpaid_GoesOn()
    {
        var user = host.User();
        var pass = Guid.CreateVersion7();
        (await user.CancelAsync((await user.ReserveAsync(pass: pass)).Is(201).ReservationId)).Is(200).Has("Cancelled");
        (await user.ReserveAsync(Paying, pass: pass)).Is(201).Has("Confirmed");
    }

    [Theory]
    [InlineData("SEAT_UNAVAILABLE", 409, new[] { 7 })]
    [InlineData("SEAT_LIMIT_REACHED", 409, new int[0])]
    [InlineData("SCHEDULE_CLOSED", 409, new int[0])]
    [InlineData("SCHEDULE_NOT_FOUND", 404, new int[0])]
    [InlineData("SEAT_NOT_FOUND", 404, new[] { 7, 8 })]
    public async Task Reserve_SeatsRefused_SaysWhyAndAgainWhenRepeated(string code, int status, int[] seats)
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.HoldRefusedBy(code, seats);

        var answer = (await user.ReserveAsync(key: key)).Is(status, code).Has("Rejected");
        var replay = (await user.ReserveAsync(key: key)).Is(status, code).Has("Rejected");

        if (seats.Length > 0)
            Assert.Equal(seats, answer.Body.GetProperty("seats").EnumerateArray().Select(seat => seat.GetInt32()));
        Assert.Equal((false, true), (answer.IsReplay, replay.IsReplay));
        Assert.Equal(answer.ReservationId, replay.ReservationId);
        Assert.Single(user.Script.Commands);
        user.Script.Hold = new Script().Hold;
        await user.ReservedAsync();
    }

    [Fact]
    public async Task Reserve_WithAPassOfAnotherConcert_IsRefusedAndTheKeyIsFreeAgain()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.HoldRefusedBy("QUEUE_TOKEN_WRONG_CONCERT");
        var refused = (await user.ReserveAsync(key: key, concertId: 2)).Is(403, "QUEUE_TOKEN_WRONG_CONCERT").Has("Rejected");
        Assert.Equal(2, Assert.Single(user.Script.Commands.OfType<HoldSeats>()).ConcertId);

        user.Script.Hold = new Script().Hold;
        var reserved = (await user.ReserveAsync(key: key, concertId: 3)).Is(201).Has("AwaitingPayment");

        Assert.False(reserved.IsReplay);
        Assert.NotEqual(refused.ReservationId, reserved.ReservationId);
        Assert.Equal(reserved.ReservationId, (await user.ReserveAsync(key: key, concertId: 3)).Is(201).ReservationId);
    }

    [Fact]
    public async Task Reserve_WithPaymentAndTooFewPoints_Is402AndStaysPayable()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.DeductionRefused();

        var answer = (await user.ReserveAsync(Paying, key)).Is(402, "INSUFFICIENT_POINTS").Has("AwaitingPayment");
        (await user.ReserveAsync(Paying, key)).Is(402, "INSUFFICIENT_POINTS").Has("AwaitingPayment");

        Assert.True(answer.Body.GetProperty("holdExpiresAt").GetDateTimeOffset() > host.Clock.GetUtcNow());
        Assert.Equal("INSUFFICIENT_POINTS", (await user.GetAsync(answer.ReservationId)).Has("AwaitingPayment").Body.GetProperty("failure").GetProperty("code").GetString());
        user.Script.Deduct = new Script().Deduct;
        (await user.PayAsync(answer.ReservationId)).Is(200).Has("Confirmed");
        // The key now answers from what its reservation has become.
        Assert.True((await user.ReserveAsync(Paying, key)).Is(201).Has("Confirmed").IsReplay);
    }

    [Fact]
    public async Task Reserve_WithPaymentRefused_Is409AndUndone()
    {
        var user = host.User();
        user.Script.ConfirmPayment = c => new PaymentRejected(c.ReservationId, c.Attempt, "PAYMENT_REJECTED");

        (await user.ReserveAsync(Paying)).Is(409, "PAYMENT_REJECTED").Has("Failed");

        Assert.Equal(["RefundPoints", "ReleaseSeats"], user.Script.Commands.Select(command => command.GetType().Name).Skip(3));
    }

    [Fact]
    public async Task Reserve_WithSeatsNotConfirmed_Is409AndUndone()
    {
        var user = host.User();
        user.Script.ConfirmSeats = c => new SeatConfirmationRejected(c.ReservationId, c.Attempt, "SEATS_NOT_HELD");

        (await user.ReserveAsync(Paying)).Is(409, "RESERVATION_FAILED").Has("Failed");

        Assert.Equal(["CancelPayment", "RefundPoints", "ReleaseSeats"], user.Script.Commands.Select(command => command.GetType().Name).Skip(4));
    }

    [Theory]
    [InlineData("""{"scheduleId":31,"seatNumbers":[]}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":null}""")]
    [InlineData("""{"scheduleId":31}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[7,7]}""")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[1,2,3,4,5]}""")]
    public async Task Reserve_WithSeatsThatCannotBe_Is422(string body)
    {
        var user = host.User();

        var answer = (await user.PostAsync(body, "application/json", Guid.CreateVersion7().ToString())).Is(422, "INVALID_SEATS");

        Assert.NotEmpty(answer.Body.GetProperty("errors").GetProperty("seatNumbers").EnumerateArray());
        Assert.Empty(user.Script.Commands);
    }

    [Theory]
    [InlineData("""{"scheduleId":31,"seatNumbers":[7""", "application/json", 400, "BAD_REQUEST")]
    [InlineData("", "application/json", 400, "BAD_REQUEST")]
    [InlineData("null", "application/json", 400, "BAD_REQUEST")]
    [InlineData("[]", "application/json", 400, "BAD_REQUEST")]
    [InlineData("""{"scheduleId":"x","seatNumbers":[7]}""", "application/json", 400, "BAD_REQUEST")]
    [InlineData("""{"scheduleId":31,"seatNumbers":"7"}""", "application/json", 400, "BAD_REQUEST")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[7.5]}""", "application/json", 400, "BAD_REQUEST")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[7],"pay":1}""", "application/json", 400, "BAD_REQUEST")]
    [InlineData("""{"scheduleId":99999999999,"seatNumbers":[7]}""", "application/json", 400, "BAD_REQUEST")]
    [InlineData("""{"scheduleId":31,"seatNumbers":[7]}""", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE")]
    [InlineData("scheduleId=31", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_MEDIA_TYPE")]
    public async Task Reserve_WithABodyThatIsNone_IsRefused(string body, string mediaType, int status, string code) =>
        (await host.User().PostAsync(body, mediaType, Guid.CreateVersion7().ToString())).Is(status, code);

    [Theory]
    [InlineData(null, "IDEMPOTENCY_KEY_MISSING")]
    [InlineData("", "IDEMPOTENCY_KEY_MISSING")]
    [InlineData("7", "IDEMPOTENCY_KEY_INVALID")]
    [InlineData("not-a-uuid", "IDEMPOTENCY_KEY_INVALID")]
    [InlineData("{0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d}", "IDEMPOTENCY_KEY_INVALID")]
    public async Task Reserve_WithoutAProperKey_Is400(string? key, string code) =>
        (await host.User().PostAsync("""{"scheduleId":31,"seatNumbers":[7]}""", "application/json", key)).Is(400, code);

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

        var answer = (await user.ReserveAsync(new { scheduleId = schedule, seatNumbers = new[] { seat }, pay }, key)).Is(422, "IDEMPOTENCY_KEY_REUSED");

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
        Assert.All(answers.Where(answer => answer != winner), answer => Assert.Equal(winner.ReservationId, answer.Is(409, "RESERVATION_IN_PROGRESS").ReservationId));
        Assert.Single(user.Script.Commands);
    }

    [Fact]
    public async Task Reserve_ManyAtOnceThatAllEndAtOnce_IsNeverAnError()
    {
        var user = host.User();
        user.Script.HoldRefusedBy("SEAT_UNAVAILABLE", 7);

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => user.ReserveAsync()));

        Assert.All(answers, answer => Assert.Contains(answer.Code, new[] { "SEAT_UNAVAILABLE", "RESERVATION_IN_PROGRESS" }));
    }

    [Fact]
    public async Task Reserve_WhileAnotherIsUnpaid_NamesItAndAgainWhenRepeated()
    {
        var user = host.User();
        var unpaid = await user.ReservedAsync();
        var key = Guid.CreateVersion7();

        Assert.Equal(unpaid, (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS").ReservationId);
        (await user.CancelAsync(unpaid)).Is(200);
        var replay = (await user.ReserveAsync(key: key)).Is(409, "RESERVATION_IN_PROGRESS");

        Assert.Equal((true, unpaid), (replay.IsReplay, replay.ReservationId));
        await user.ReservedAsync();
    }

    [Fact]
    public async Task Reserve_AfterTheOtherIsPaid_IsAllowed()
    {
        var user = host.User();
        (await user.PayAsync(await user.ReservedAsync())).Is(200);
        await user.ReservedAsync();
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

        // The row and not the clock: the host would live through each second of that day.
        Task AgeAsync(TimeSpan by) => host.DatabaseAsync(async database =>
        {
            var row = await database.Reservations.SingleAsync(row => row.CorrelationId == first.ReservationId);
            row.CreatedAt -= by;
            return await database.SaveChangesAsync();
        });
    }

    [Theory]
    [InlineData("wait=0")]
    [InlineData("respond-async")]
    [InlineData("respond-async, handling=lenient")]
    [InlineData("Wait=0")]
    public async Task Reserve_PreferNotToWait_Is202AtOnce(string prefer)
    {
        var user = host.User();
        user.Script.Hold = _ => null;
        var key = Guid.CreateVersion7();

        var answer = (await user.ReserveAsync(key: key, prefer: prefer)).Is(202).Has("Pending");

        Assert.Equal($"/api/reservations/{answer.ReservationId}", answer.Response.Headers.Location?.OriginalString);
        Assert.Equal("1", answer.Response.Headers.GetValues("Retry-After").Single());
        (await user.GetAsync(answer.ReservationId)).Is(200).Has("Pending");
        Assert.True((await user.ReserveAsync(key: key, prefer: "wait=0")).Is(202).Has("Pending").IsReplay);
    }

    [Theory]
    [InlineData("wait=7", 7)]
    [InlineData("wait=10", 10)]
    [InlineData(null, 3)]
    [InlineData("wait=11", 3)]
    [InlineData("wait=-1", 3)]
    [InlineData("wait=soon", 3)]
    public async Task Reserve_Undecided_WaitsAsLongAsAsked(string? prefer, int seconds)
    {
        var user = host.User();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        user.Script.Hold = _ =>
        {
            asked.TrySetResult();
            return null;
        };
        var waitedSince = host.Clock.GetUtcNow();

        var call = user.ReserveAsync(prefer: prefer);
        await asked.Task;
        await host.PassAsync(() => Task.FromResult(call.IsCompleted), "the call answers", TimeSpan.FromMilliseconds(100));

        (await call).Is(202).Has("Pending");
        Assert.InRange((host.Clock.GetUtcNow() - waitedSince).TotalSeconds, seconds, seconds + 2.5);
    }

    [Fact]
    public async Task Reserve_DecidedWhileItsCallerWaits_AnswersWithoutTimePassing()
    {
        var user = host.User();
        user.Script.Hold = _ => null;
        var call = user.ReserveAsync();
        await Testing.Eventually.TrueAsync(() => !user.Script.Commands.IsEmpty, TimeSpan.FromSeconds(10), "seats are asked for");
        var id = ((HoldSeats)user.Script.Commands.Single()).ReservationId;

        await host.Bus.Publish(new SeatsHeld(id, 1, 3, Machine.Start.AddDays(30), 100));

        (await call).Is(201).Has("AwaitingPayment");
    }

    [Fact]
    public async Task Reserve_WithoutAUser_Is401()
    {
        using var client = host.Client(null);
        var answer = await client.GetAsync("/api/reservations");
        Assert.Equal(401, (int)answer.StatusCode);
    }

    [Fact]
    public async Task AnyRoute_WithoutTheGatewaysSecret_DoesNotExist()
    {
        using var client = host.Client("mina", inside: false);
        Assert.Equal(404, (int)(await client.GetAsync("/api/reservations")).StatusCode);
        Assert.Equal(404, (int)(await client.GetAsync("/internal/orchestrator")).StatusCode);
    }
}
