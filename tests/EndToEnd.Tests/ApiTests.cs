using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Calls every route outside the waiting room through the gateway, and checks responses and refusals.</summary>
[Trait("Part", "Sale")]
public sealed class ApiTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private const string Patient = "wait=10";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Cancellation_AfterTheConcertMoved_UsesTheNewStart(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var schedule = system.Seats.TakeSchedule();
        var bought = await customer.ReserveAsync(schedule with { Numbers = [1] }, pay: true, prefer: Patient);
        Assert.True(bought.Status == 201 && bought.ReservationStatus == "Confirmed", bought.ToString());

        await MoveAsync(system, schedule.ScheduleId, TimeProvider.System.GetUtcNow().AddHours(23));
        var late = await customer.CancelAsync(bought.ReservationId, prefer: Patient);
        Assert.Equal((409, "RESERVATION_NOT_CANCELLABLE"), (late.Status, late.Code));

        await MoveAsync(system, schedule.ScheduleId, TimeProvider.System.GetUtcNow().AddHours(25));
        var cancelled = await customer.CancelAsync(bought.ReservationId, prefer: Patient);
        Assert.True(cancelled.Status == 200 && cancelled.ReservationStatus == "Cancelled", cancelled.ToString());
        Assert.Equal(1_000_000, await customer.BalanceAsync());
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Reservation_FromConcertToCancellation_ShowsOnEveryRoute(SystemKind kind)
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
        SeatSelection single = seats with { Numbers = [seats.Numbers[0]] };

        Check(await customer.ReserveAsync(seats), 422, "INVALID_SEATS");
        Check(await customer.ReserveAsync(seats with { Numbers = [] }), 422, "INVALID_SEATS");
        Check(await customer.ReserveAsync(seats with { Numbers = [1, 1] }), 422, "INVALID_SEATS");
        Check(await customer.ReserveAsync(seats with { Numbers = [4711] }, prefer: Patient), 404, "SEAT_NOT_FOUND");
        Check(await customer.SendWithAsync(await customer.PassAsync(1), HttpMethod.Post, "/api/reservations",
            new { scheduleId = 4711, seatNumbers = single.Numbers }),
            404, "SCHEDULE_NOT_FOUND");
        Check(await customer.SendAsync(HttpMethod.Post, "/api/reservations", new { scheduleId = 1, seatNumbers = new[] { 1 } }), 400,
            "IDEMPOTENCY_KEY_MISSING");
        Check(await customer.SendAsync(HttpMethod.Post, "/api/reservations", new { scheduleId = 1, seatNumbers = new[] { 1 } },
            headers: [("Idempotency-Key", "seven")]),
            400, "IDEMPOTENCY_KEY_INVALID");

        // The same key repeats the request, regardless of the order of seats. A different request with that key is refused.
        var key = Guid.CreateVersion7();
        SeatSelection pair = seats with { Numbers = [seats.Numbers[1], seats.Numbers[0]] };
        var reserved = await customer.ReserveAsync(pair, key: key, prefer: Patient);
        var id = reserved.ReservationId;
        var repeated = await customer.ReserveAsync(pair with { Numbers = [.. pair.Numbers.Reverse()] }, key: key);
        Assert.True(repeated.Status == 201 && repeated.ReservationId == id
            && repeated.Headers.Contains("Idempotent-Replayed"), repeated.ToString());
        Check(await customer.ReserveAsync(single, key: key), 422, "IDEMPOTENCY_KEY_REUSED");

        var progress = await customer.ReserveAsync(seats with { Numbers = [seats.Numbers[2]] });
        Check(progress, 409, "RESERVATION_IN_PROGRESS");
        Assert.Equal(id, progress.ReservationId);
        var taken = await other.ReserveAsync(single, prefer: Patient);
        Check(taken, 409, "SEAT_UNAVAILABLE");
        Assert.Equal(single.Numbers, taken.Body.GetProperty("seats").EnumerateArray().Select(seat => seat.GetInt32()));
        Check(await other.PayAsync(taken.ReservationId), 409, "RESERVATION_NOT_PAYABLE");
        Check(await other.CancelAsync(taken.ReservationId), 409, "RESERVATION_NOT_CANCELLABLE");

        foreach (var stranger in new[] { await other.GetAsync(id), await other.PayAsync(id), await other.CancelAsync(id),
            await customer.GetAsync(Guid.CreateVersion7()) })
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
        // No pass fits an unknown concert. An unknown schedule has no concert to compare with.
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
        // The gateway refuses the body unread and closes the connection. Without Expect, a client might miss the response.
        Check(await customer.SendAsync(HttpMethod.Post, "/api/reservations",
            new { scheduleId = 1, seatNumbers = Enumerable.Range(1, 8000) }, Guid.CreateVersion7(), null,
            ("Expect", "100-continue")), 413, "PAYLOAD_TOO_LARGE");
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Request_Malformed_IsRefusedWithACode(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system);
        var key = Guid.CreateVersion7();

        Names(await customer.SendAsync(HttpMethod.Post, "/api/points/charges", new { amount = 5, currency = "KRW" }, key), 400,
            "UNKNOWN_MEMBER", "currency");
        Names(await customer.SendAsync(HttpMethod.Post, "/api/points/charges", new { amount = "5" }, key), 400, "BAD_REQUEST", "amount");
        Names(await customer.SendAsync(HttpMethod.Post, "/api/points/charges", new { }, key), 422, "INVALID_AMOUNT", "amount");
        Names(await customer.SendAsync(HttpMethod.Post, "/api/points/charges", null, key), 400, "BAD_REQUEST", "body");
        Names(await customer.SendAsync(HttpMethod.Delete, $"/api/reservations/{key}?seatNumbers=5"), 400, "UNKNOWN_PARAMETER",
            "seatNumbers");
        Names(await customer.SendAsync(HttpMethod.Delete, $"/api/reservations/{key}", new { seatNumbers = new[] { 5 } }), 400,
            "UNKNOWN_MEMBER", "seatNumbers");
        Names(await customer.GetAsync("/api/reservations?limit=abc"), 400, "BAD_REQUEST", "limit");
        Names(await customer.GetAsync("/api/reservations?status=Confirmed,Failed"), 400, "BAD_REQUEST", "status");
        Names(await customer.GetAsync("/api/reservations?status=99"), 400, "BAD_REQUEST", "status");
        Names(await customer.SendAsync(HttpMethod.Post, "/auth/demo", new { userId = "mina", pause = true }), 400, "UNKNOWN_MEMBER",
            "pause");
        foreach (var accept in new[] { "text/event-stream", "text/html" })
            Check(await customer.SendAsync(HttpMethod.Get, "/api/reservations?limit=0", headers: [("Accept", accept)]), 400, "BAD_REQUEST");

        static void Names(Answer answer, int status, string code, string member)
        {
            Check(answer, status, code);
            Assert.True(answer.Body.GetProperty("errors").TryGetProperty(member, out _), $"{answer} does not name {member}");
        }
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
        Assert.True(answer.Status == status && answer.Code == code
            && answer.Text("traceId") is not null, $"{answer} instead of {status} {code}");

    private static JsonElement Single(Answer page, string name, int value) =>
        page.Body.GetProperty("items").EnumerateArray().Single(item => item.GetProperty(name).GetInt32() == value);

    // Moves the start by a statement, so the orchestrator receives no message about it.
    private static async Task MoveAsync(ISystem system, int scheduleId, DateTimeOffset startsAt)
    {
        await using var reader = await system.OpenAsync("Seats");
        var isSqlite = reader is Microsoft.Data.Sqlite.SqliteConnection;
        await using System.Data.Common.DbConnection seats = isSqlite
            ? new Microsoft.Data.Sqlite.SqliteConnection(
                reader.ConnectionString.Replace("Mode=ReadOnly", "Mode=ReadWrite", StringComparison.Ordinal))
            : await system.OpenAsync("Seats");
        if (isSqlite)
            await seats.OpenAsync();
        await using var command = seats.CreateCommand();
        var offset = isSqlite ? "" : "+00";
#pragma warning disable CA2100 // Numbers of this test.
        command.CommandText = $"""
            UPDATE "Schedules" SET "StartsAt" = '{startsAt.UtcDateTime:yyyy-MM-dd HH:mm:ss}{offset}' WHERE "ScheduleId" = {scheduleId}
            """;
#pragma warning restore CA2100
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }

    private static async Task CheckSeatsAsync(Customer customer, SeatSelection seats, string status)
    {
        var map = await customer.GetAsync($"/api/schedules/{seats.ScheduleId}/seats");
        var statuses = map.Body.GetProperty("seats").EnumerateArray()
            .Where(seat => seats.Numbers.Contains(seat.GetProperty("number").GetInt32()))
            .Select(seat => seat.GetProperty("status").GetString());
        Assert.Equal(seats.Numbers.Select(_ => status), statuses);
    }
}
