using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Tests.Hosts;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>The outcomes of <c>POST /api/reservations</c>.</summary>
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
        Assert.Equal((3, 31, 200_000), (answer.Body.GetProperty("concertId").GetInt32(), answer.Body.GetProperty("scheduleId").GetInt32(),
            answer.Body.GetProperty("totalPrice").GetInt64()));
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
        Assert.Equal(["HoldSeats", "DeductPoints", "ConfirmPayment", "ConfirmSeats"],
            user.Script.Commands.Select(command => command.GetType().Name));
        Assert.Equal(
            ["Requested", "HoldingSeats", "DeductingPoints", "ConfirmingPayment", "ConfirmingSeats", "Confirmed"],
            (await host.HistoryAsync(answer.ReservationId)).Select(row => row.ToState));
    }

    [Theory]
    [InlineData("SEAT_UNAVAILABLE", 409, new[] { 7 })]
    [InlineData("SEAT_LIMIT_REACHED", 409, new int[0])]
    [InlineData("SCHEDULE_CLOSED", 409, new int[0])]
    [InlineData("SCHEDULE_CANCELLED", 409, new int[0])]
    [InlineData("SCHEDULE_NOT_FOUND", 404, new int[0])]
    [InlineData("SEAT_NOT_FOUND", 404, new[] { 7, 8 })]
    public async Task Reserve_SeatsRefused_GivesTheReasonAlsoWhenRepeated(string code, int status, int[] seats)
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.RefuseHold(code, seats);

        var answer = (await user.ReserveAsync(key: key)).Is(status, code).Has("Rejected");
        var replay = (await user.ReserveAsync(key: key)).Is(status, code).Has("Rejected");

        if (seats.Length > 0)
            Assert.Equal(seats, answer.Body.GetProperty("seats").EnumerateArray().Select(seat => seat.GetInt32()));
        Assert.Equal((false, true), (answer.IsReplay, replay.IsReplay));
        Assert.Equal(answer.ReservationId, replay.ReservationId);
        Assert.Single(user.Script.Commands);
        user.Script.Hold = new Script().Hold;
        await user.HoldAsync();
    }

    [Fact]
    public async Task Reserve_WithPaymentAndTooFewPoints_Is402AndStaysPayable()
    {
        var user = host.User();
        var key = Guid.CreateVersion7();
        user.Script.RefuseDeduction();

        var answer = (await user.ReserveAsync(Paying, key)).Is(402, "INSUFFICIENT_POINTS").Has("AwaitingPayment");
        (await user.ReserveAsync(Paying, key)).Is(402, "INSUFFICIENT_POINTS").Has("AwaitingPayment");

        Assert.True(answer.Body.GetProperty("holdExpiresAt").GetDateTimeOffset() > host.Clock.GetUtcNow());
        Assert.Equal("INSUFFICIENT_POINTS", (await user.GetAsync(answer.ReservationId)).Has("AwaitingPayment").Body.GetProperty("failure")
            .GetProperty("code").GetString());
        user.Script.Deduct = new Script().Deduct;
        (await user.PayAsync(answer.ReservationId)).Is(200).Has("Confirmed");
        // A repeat of the key answers with the current state of the reservation.
        Assert.True((await user.ReserveAsync(Paying, key)).Is(201).Has("Confirmed").IsReplay);
    }

    [Fact]
    public async Task Reserve_WithPaymentRefused_Is409AndCompensated()
    {
        var user = host.User();
        user.Script.ConfirmPayment = c => new PaymentRejected(c.ReservationId, c.Attempt, "PAYMENT_REJECTED");

        (await user.ReserveAsync(Paying)).Is(409, "PAYMENT_REJECTED").Has("Failed");

        Assert.Equal(["RefundPoints", "ReleaseSeats"], user.Script.Commands.Select(command => command.GetType().Name).Skip(3));
    }

    [Fact]
    public async Task Reserve_WithSeatsNotConfirmed_Is409AndCompensated()
    {
        var user = host.User();
        user.Script.ConfirmSeats = c => new SeatConfirmationRejected(c.ReservationId, c.Attempt, "SEATS_NOT_HELD");

        (await user.ReserveAsync(Paying)).Is(409, "RESERVATION_FAILED").Has("Failed");

        Assert.Equal(["CancelPayment", "RefundPoints", "ReleaseSeats"],
            user.Script.Commands.Select(command => command.GetType().Name).Skip(4));
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
    public async Task Reserve_WithAnUnreadableBody_IsRefused(string body, string mediaType, int status, string code) =>
        (await host.User().PostAsync(body, mediaType, Guid.CreateVersion7().ToString())).Is(status, code);

    [Theory]
    [InlineData(null, "IDEMPOTENCY_KEY_MISSING")]
    [InlineData("", "IDEMPOTENCY_KEY_MISSING")]
    [InlineData("7", "IDEMPOTENCY_KEY_INVALID")]
    [InlineData("not-a-uuid", "IDEMPOTENCY_KEY_INVALID")]
    [InlineData("{0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d}", "IDEMPOTENCY_KEY_INVALID")]
    public async Task Reserve_WithoutAValidKey_Is400(string? key, string code) =>
        (await host.User().PostAsync("""{"scheduleId":31,"seatNumbers":[7]}""", "application/json", key)).Is(400, code);

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
