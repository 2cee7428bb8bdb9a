using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Every route that is not the waiting room's, through the gateway: what it answers, and how it refuses.</summary>
public sealed class ApiTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private const string Patient = "wait=10";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Reservation_FromConcertToCancellation_IsSeenOnEveryRoute(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system);
        var seats = system.Seats.Take(2);
        var map = $"/api/schedules/{seats.ScheduleId}/seats";

        var concerts = await Customer.SendAsync(system.Address, HttpMethod.Get, "/api/concerts", null, null);
        Assert.Equal(3, concerts.Body.GetProperty("items").GetArrayLength());
        var concertId = (seats.ScheduleId - 1) / 30 + 1;
        var schedules = await customer.GetAsync($"/api/concerts/{concertId}/schedules?limit=100");
        var before = Single(schedules, "scheduleId", seats.ScheduleId).GetProperty("availableSeats").GetInt32();

        var first = await customer.GetAsync(map);
        Assert.NotNull(first.Headers.ETag);
        var same = await customer.SendAsync(HttpMethod.Get, map, headers: [("If-None-Match", first.Headers.ETag.ToString())]);
        Assert.Equal(304, same.Status);

        var reserved = await customer.ReserveAsync(seats, prefer: Patient);
        Assert.True(reserved.Status == 201 && reserved.ReservationStatus == "AwaitingPayment", reserved.ToString());
        var id = reserved.ReservationId;
        Assert.Equal($"/api/reservations/{id}", reserved.Headers.Location!.OriginalString);
        Assert.Equal(reserved.Body.GetRawText(), (await customer.GetAsync(id)).Body.GetRawText());
        await CheckSeatsAsync(customer, seats, "Held");
        var changed = await customer.SendAsync(HttpMethod.Get, map, headers: [("If-None-Match", first.Headers.ETag.ToString())]);
        Assert.Equal(200, changed.Status);

        var refused = await customer.PayAsync(id, prefer: Patient);
        Assert.Equal((402, "INSUFFICIENT_POINTS", "AwaitingPayment"), (refused.Status, refused.Code, refused.ReservationStatus));
        var charged = await customer.ChargeAsync(1_000_000);
        Assert.Equal((201, 1_000_000), (charged.Status, charged.Number("balance")));
        var paid = await customer.PayAsync(id, prefer: Patient);
        Assert.True(paid.Status == 200 && paid.ReservationStatus == "Confirmed", paid.ToString());
        Assert.Equal(paid.Body.GetRawText(), (await customer.PayAsync(id)).Body.GetRawText());
        await CheckSeatsAsync(customer, seats, "Sold");
        var price = paid.Number("totalPrice");
        Assert.Equal(1_000_000 - price, await customer.BalanceAsync());

        var listed = await customer.GetAsync("/api/reservations?status=Confirmed");
        Assert.Equal(id, Single(listed, "scheduleId", seats.ScheduleId).GetProperty("reservationId").GetGuid());
        var cancelled = await customer.CancelAsync(id, prefer: Patient);
        Assert.True(cancelled.Status == 200 && cancelled.ReservationStatus == "Cancelled", cancelled.ToString());
        Assert.Equal(cancelled.Body.GetRawText(), (await customer.CancelAsync(id)).Body.GetRawText());
        await CheckSeatsAsync(customer, seats, "Available");
        schedules = await customer.GetAsync($"/api/concerts/{concertId}/schedules?limit=100");
        Assert.Equal(before, Single(schedules, "scheduleId", seats.ScheduleId).GetProperty("availableSeats").GetInt32());

        var entries = (await customer.GetAsync("/api/points/entries")).Body.GetProperty("items").EnumerateArray()
            .Select(entry => (entry.GetProperty("kind").GetString(), entry.GetProperty("amount").GetInt64())).ToArray();
        Assert.Equal([("Refund", price), ("Deduction", -price), ("Charge", 1_000_000)], entries);
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Reservation_Refused_SaysWhy(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var other = await Customer.SignInAsync(system);
        var seats = system.Seats.Take(5);
        SeatsOfDate one = seats with { Numbers = [seats.Numbers[0]] };

        Check(await customer.ReserveAsync(seats), 422, "INVALID_SEATS");
        Check(await customer.ReserveAsync(seats with { Numbers = [] }), 422, "INVALID_SEATS");
        Check(await customer.ReserveAsync(seats with { Numbers = [1, 1] }), 422, "INVALID_SEATS");
        Check(await customer.ReserveAsync(seats with { Numbers = [4711] }, prefer: Patient), 404, "SEAT_NOT_FOUND");
        Check(await customer.SendWithAsync(await customer.PassAsync(1), HttpMethod.Post, "/api/reservations", new { scheduleId = 4711, seatNumbers = one.Numbers }),
            404, "SCHEDULE_NOT_FOUND");
        Check(await customer.SendAsync(HttpMethod.Post, "/api/reservations", new { scheduleId = 1, seatNumbers = new[] { 1 } }), 400, "IDEMPOTENCY_KEY_MISSING");
        Check(await customer.SendAsync(HttpMethod.Post, "/api/reservations", new { scheduleId = 1, seatNumbers = new[] { 1 } }, headers: [("Idempotency-Key", "seven")]),
            400, "IDEMPOTENCY_KEY_INVALID");

        // The same key joins, whatever the order of the seats; another request under it is refused.
        var key = Guid.CreateVersion7();
        SeatsOfDate two = seats with { Numbers = [seats.Numbers[1], seats.Numbers[0]] };
        var reserved = await customer.ReserveAsync(two, key: key, prefer: Patient);
        var id = reserved.ReservationId;
        var repeated = await customer.ReserveAsync(two with { Numbers = [.. two.Numbers.Reverse()] }, key: key);
        Assert.True(repeated.Status == 201 && repeated.ReservationId == id && repeated.Headers.Contains("Idempotent-Replayed"), repeated.ToString());
        Check(await customer.ReserveAsync(one, key: key), 422, "IDEMPOTENCY_KEY_REUSED");

        var progress = await customer.ReserveAsync(seats with { Numbers = [seats.Numbers[2]] });
        Check(progress, 409, "RESERVATION_IN_PROGRESS");
        Assert.Equal(id, progress.ReservationId);
        var taken = await other.ReserveAsync(one, prefer: Patient);
        Check(taken, 409, "SEAT_UNAVAILABLE");
        Assert.Equal(one.Numbers, taken.Body.GetProperty("seats").EnumerateArray().Select(seat => seat.GetInt32()));
        Check(await other.PayAsync(taken.ReservationId), 409, "RESERVATION_NOT_PAYABLE");
        Check(await other.CancelAsync(taken.ReservationId), 409, "RESERVATION_NOT_CANCELLABLE");

        foreach (var stranger in new[] { await other.GetAsync(id), await other.PayAsync(id), await other.CancelAsync(id), await customer.GetAsync(Guid.CreateVersion7()) })
            Check(stranger, 404, "RESERVATION_NOT_FOUND");
        Check(await Customer.SendAsync(system.Address, HttpMethod.Get, $"/api/reservations/{id}", null, null), 401, "UNAUTHENTICATED");

        Assert.Equal(200, (await customer.PayAsync(id, prefer: Patient)).Status);
        Check(await customer.ReserveAsync(seats with { Numbers = seats.Numbers[2..5] }, prefer: Patient), 409, "SEAT_LIMIT_REACHED");
        Assert.Equal(200, (await customer.CancelAsync(id, prefer: Patient)).Status);
        Check(await customer.PayAsync(id), 409, "RESERVATION_NOT_PAYABLE");
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task OtherRoutes_Refused_SayWhy(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system);

        Check(await customer.EnterAsync(4711), 404, "CONCERT_NOT_FOUND");
        // No pass is for a concert that does not exist; which concert a date that does not exist is of, nobody can say.
        var pass = await customer.PassAsync(1);
        Check(await customer.SendWithAsync(pass, HttpMethod.Get, "/api/concerts/4711/schedules"), 403, "QUEUE_TOKEN_WRONG_CONCERT");
        Check(await customer.SendWithAsync(pass, HttpMethod.Get, "/api/schedules/4711/seats"), 404, "SCHEDULE_NOT_FOUND");
        Check(await customer.ChargeAsync(0), 422, "INVALID_AMOUNT");
        Check(await customer.ChargeAsync(1_000_001), 422, "INVALID_AMOUNT");
        Check(await customer.SendAsync(HttpMethod.Post, "/api/points/charges", new { amount = 1 }), 400, "IDEMPOTENCY_KEY_MISSING");
        var key = Guid.CreateVersion7();
        Assert.Equal(201, (await customer.ChargeAsync(1, key)).Status);
        Check(await customer.ChargeAsync(2, key), 422, "IDEMPOTENCY_KEY_REUSED");
        Check(await customer.GetAsync("/api/reservations?limit=0"), 400, "BAD_REQUEST");
        Check(await customer.GetAsync("/api/reservations?status=Nonsense"), 400, "BAD_REQUEST");
        Check(await customer.SendAsync(HttpMethod.Put, "/api/points", new { }), 405, "METHOD_NOT_ALLOWED");
        Check(await customer.GetAsync("/api/nothing"), 404, "NOT_FOUND");
        // Refused before it is read, and the connection closed: a client that sends it without asking may never see why.
        Check(await customer.SendAsync(HttpMethod.Post, "/api/reservations", new { scheduleId = 1, seatNumbers = Enumerable.Range(1, 8000) }, Guid.CreateVersion7(), null,
            ("Expect", "100-continue")), 413, "PAYLOAD_TOO_LARGE");
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Reservation_RespondAsync_IsAcceptedAndFoundLater(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);

        var accepted = await customer.ReserveAsync(system.Seats.Take(1), pay: true, prefer: "respond-async");

        Assert.True(accepted.Status == 202 && accepted.Headers.RetryAfter is not null, accepted.ToString());
        var location = accepted.Headers.Location!.OriginalString;
        await customer.WaitForAsync(accepted.ReservationId, Limit, ["Confirmed"]);
        Assert.Equal("Confirmed", (await customer.GetAsync(location)).ReservationStatus);
    }

    private static void Check(Answer answer, int status, string code) =>
        Assert.True(answer.Status == status && answer.Code == code && answer.Text("traceId") is not null, $"{answer} instead of {status} {code}");

    private static JsonElement Single(Answer page, string name, int value) =>
        page.Body.GetProperty("items").EnumerateArray().Single(item => item.GetProperty(name).GetInt32() == value);

    private static async Task CheckSeatsAsync(Customer customer, SeatsOfDate seats, string status)
    {
        var map = await customer.GetAsync($"/api/schedules/{seats.ScheduleId}/seats");
        var statuses = map.Body.GetProperty("seats").EnumerateArray().Where(seat => seats.Numbers.Contains(seat.GetProperty("number").GetInt32()))
            .Select(seat => seat.GetProperty("status").GetString());
        Assert.Equal(seats.Numbers.Select(_ => status), statuses);
    }
}
