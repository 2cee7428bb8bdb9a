using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Payments;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points.Background;
using ConcertSaga.Points.Data;
using ConcertSaga.Seats.Background;
using ConcertSaga.Seats.Data;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Runs reservations through every step and compensation, and cleans up after them.</summary>
internal static class ReservationScenario
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task ReserveAndPayAsync(ProductHost host)
    {
        var reserve = new { scheduleId = 1, seatNumbers = new[] { 1, 2, 3, 4 }, pay = false };
        var key = Guid.CreateVersion7();
        // The bus needs a moment after the start.
        var status = 0;
        var id = "";
        await Eventually.TrueAsync(async () =>
        {
            var (code, body) = await host.CallAsync("mina", HttpMethod.Post, "/api/reservations", reserve, key);
            (status, id) = (code, code == 201 ? body.GetProperty("reservationId").GetString()! : "");
            return status == 201;
        }, Limit, "seats are held");
        await Expect.StatusAsync(201, host.CallAsync("mina", HttpMethod.Post, "/api/reservations", reserve, key));
        await Expect.StatusAsync(409, host.CallAsync("mina", HttpMethod.Post, "/api/reservations", reserve, Guid.CreateVersion7()));
        await Expect.StatusAsync(402, host.CallAsync("mina", HttpMethod.Post, $"/api/reservations/{id}/payment"));

        var charge = Guid.CreateVersion7();
        await Expect.StatusAsync(201, host.CallAsync("mina", HttpMethod.Post, "/api/points/charges", new { amount = 1_000_000 }, charge));
        await Expect.StatusAsync(201, host.CallAsync("mina", HttpMethod.Post, "/api/points/charges", new { amount = 1_000_000 }, charge));
        await Expect.StatusAsync(422, host.CallAsync("mina", HttpMethod.Post, "/api/points/charges",
            new { amount = 1_000_000_000_000 }, charge));
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Post, $"/api/reservations/{id}/payment"));
        await Expect.StatusAsync(201, host.CallAsync("lena", HttpMethod.Post, "/api/reservations",
            new { scheduleId = 6, seatNumbers = new[] { 1 } }, Guid.CreateVersion7(), queueToken: Guid.CreateVersion7()));
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Delete, $"/api/reservations/{id}"));
        Assert.Equal(1_000_000, (await host.CallAsync("mina", HttpMethod.Get, "/api/points")).Body.GetProperty("balance").GetInt64());
    }

    public static async Task CompensateAsync(ProductHost host)
    {
        var (status, body) = await host.CallAsync("noor", HttpMethod.Post, "/api/reservations",
            new { scheduleId = 2, seatNumbers = new[] { 5 } }, Guid.CreateVersion7());
        Assert.Equal(201, status);
        await Expect.StatusAsync(409, host.CallAsync("omar", HttpMethod.Post, "/api/reservations",
            new { scheduleId = 2, seatNumbers = new[] { 5 } }, Guid.CreateVersion7()));
        await Expect.StatusAsync(200, host.CallAsync("noor", HttpMethod.Delete,
            $"/api/reservations/{body.GetProperty("reservationId").GetString()}"));
    }

    public static async Task ReadAsync(ProductHost host)
    {
        // For a schedule without seats, the service looks up the schedule itself.
        await Expect.StatusAsync(404, host.CallAsync("mina", HttpMethod.Get, "/api/schedules/999/seats"));
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Get, "/api/schedules/1/plan"));
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Get, "/api/reservations?limit=1"));
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Get, "/api/reservations?status=Cancelled"));
        var first = await host.CallAsync("mina", HttpMethod.Get, "/api/points/entries?limit=1");
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Get,
            $"/api/points/entries?limit=1&cursor={first.Body.GetProperty("nextCursor").GetString()}"));
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Get, "/api/concerts?limit=2"));
        var schedules = await host.CallAsync("mina", HttpMethod.Get, "/api/concerts/1/schedules?limit=2&from=2020-01-01&to=2090-01-01");
        Assert.Equal(200, schedules.Status);
        await Expect.StatusAsync(200, host.CallAsync("mina", HttpMethod.Get,
            $"/api/concerts/1/schedules?limit=2&cursor={schedules.Body.GetProperty("nextCursor").GetString()}"));
        await Expect.StatusAsync(200, host.CallAsync("gateway", HttpMethod.Get, "/internal/schedules/1"));
        var revoked = await host.CallAsync("door", HttpMethod.Get, "/api/tickets/revoked/1");
        Assert.Equal(1, revoked.Body.GetProperty("tickets").GetArrayLength());
        var outcomes = await host.CallAsync("relay", HttpMethod.Get, "/internal/outcomes");
        Assert.Equal("Cancelled", outcomes.Body.GetProperty("items")[0].GetProperty("status").GetString());
        // A page cursor holds an instant and an id.
        const string After = "NjM5MzEzMTY0MDAwMDAwMDAwOjAxYTIwOGRmLTgwMzAtNzg1ZC1hMmM0LTU0N2IwZTEzOTJmMw";
        await Expect.StatusAsync(200, host.CallAsync("relay", HttpMethod.Get,
            $"/internal/outcomes?since=2020-01-01T00:00:00Z&after={After}&limit=1"));
        var map = await host.CallAsync("mina", HttpMethod.Get, "/api/schedules/1/seats");
        Assert.Equal(50, map.Body.GetProperty("seats").GetArrayLength());
        await Expect.StatusAsync(304, host.CallAsync("mina", HttpMethod.Get, "/api/schedules/1/seats",
            etag: $"\"{map.Body.GetProperty("version").GetInt64()}\""));
    }

    public static async Task OperateAsync(ProductHost host)
    {
        const string Route = "/ops/api/reservations";
        var (status, body) = await host.CallAsync("olaf", HttpMethod.Post, "/api/reservations",
            new { scheduleId = 2, seatNumbers = new[] { 7, 17 } }, Guid.CreateVersion7());
        Assert.Equal(201, status);
        var id = body.GetProperty("reservationId").GetString();
        await Expect.StatusAsync(409, host.CallAsync("olga", HttpMethod.Post, $"{Route}/{id}/retry", new { reason = "It hangs." }));
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Post, $"{Route}/{id}/cancel", new { reason = "It hangs." }));
        Assert.Equal(2, (await host.CallAsync("olga", HttpMethod.Get, $"{Route}/{id}")).Body.GetProperty("actions").GetArrayLength());
        foreach (var query in new[]
        {
            "", "userId=olaf&status=Cancelled", "scheduleId=2&seat=17", "concertId=1&stuck=false&retrying=false", "failureCode=X",
            "stuck=true", "retrying=true", "state=Confirmed&createdFrom=2020-01-01&createdTo=2090-01-01", "format=csv"
        })
            await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get, $"{Route}?{query}"));
        foreach (var sort in new[] { "newest", "oldest" })
        {
            var first = await host.CallAsync("olga", HttpMethod.Get, $"{Route}?limit=1&sort={sort}");
            await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get,
                $"{Route}?limit=1&sort={sort}&cursor={first.Body.GetProperty("nextCursor").GetString()}"));
        }
        var actions = await host.CallAsync("operations", HttpMethod.Get, "/internal/operator-actions/orchestrator?limit=1");
        await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Get, "/internal/operator-actions/orchestrator?operator=olga"
            + $"&action=Retry&target=reservations/{id}&cursor={actions.Body.GetProperty("nextCursor").GetString()}"));
        var dryRun = await host.CallAsync("olga", HttpMethod.Post, $"{Route}/cancel",
            new { filter = new { userId = "olaf" }, dryRun = true });
        Assert.Equal(200, dryRun.Status);
        await FailedMessageScenario.EndedAsync(host, await host.CallAsync("olga", HttpMethod.Post, $"{Route}/cancel",
            new { selection = dryRun.Body.GetProperty("selection").GetGuid(), reason = "It hangs." }));
        await FailedMessageScenario.EndedAsync(host, await host.CallAsync("olga", HttpMethod.Post, $"{Route}/retry",
            new { ids = new[] { id }, reason = "It hangs." }));
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get, "/ops/api/overview"));
    }

    public static async Task RejectTheLastStepAsync(ProductHost host)
    {
        await Expect.StatusAsync(201, host.CallAsync("rosa", HttpMethod.Post, "/api/points/charges", new { amount = 1_000_000 },
            Guid.CreateVersion7()));
        await Eventually.TrueAsync(
            async () =>
                (await host.CallAsync("rosa", HttpMethod.Post, "/api/reservations",
                new { scheduleId = 5, seatNumbers = new[] { 1 }, pay = true }, Guid.CreateVersion7())).Status == 409,
            Limit, "the last step is rejected and every earlier step compensated");
        Assert.Equal(1_000_000, (await host.CallAsync("rosa", HttpMethod.Get, "/api/points")).Body.GetProperty("balance").GetInt64());
    }

    public static async Task HandleLateCommandsAsync(ProductHost host, ShiftedClock clock)
    {
        await host.SendAsync(CommandQueues.ConfirmSeats, new ConfirmSeats(Guid.CreateVersion7(), 1));
        await host.SendAsync(CommandQueues.ReleaseSeats, new ReleaseSeats(Guid.CreateVersion7(), 1));
        await host.SendAsync(CommandQueues.CancelPayment, new CancelPayment(Guid.CreateVersion7(), 1));
        await host.SendAsync(CommandQueues.RefundPoints, new RefundPoints(Guid.CreateVersion7(), 1, "nora"));
        await using var scope = host.Services.CreateAsyncScope();
        var seats = scope.ServiceProvider.GetRequiredService<SeatsDbContext>();
        var payments = scope.ServiceProvider.GetRequiredService<PaymentsDbContext>();
        var points = scope.ServiceProvider.GetRequiredService<PointsDbContext>();
        await Eventually.TrueAsync(
            async () => await seats.SeatHolds.CountAsync(hold => hold.UserId == "") == 2
                && await payments.Payments.AnyAsync(payment => payment.UserId == "")
                    && await points.PointRefunds.AnyAsync(refund => refund.UserId == "nora"),
            Limit, "the tombstones are there");

        Assert.True(await points.ChargeKeys.AnyAsync());
        clock.Advance(TimeSpan.FromHours(25));
        await host.Services.GetRequiredService<PointsCleaner>().RunOnceAsync(CancellationToken.None);
        Assert.False(await points.ChargeKeys.AnyAsync());
        await host.Services.GetRequiredService<SeatHoldCleaner>().RunOnceAsync(CancellationToken.None);
    }

    // Creates more rejected reservations of one customer than are kept, and deadlines written by a clock that was ahead.
    public static async Task CleanUnpaidAsync(ProductHost host, ShiftedClock clock)
    {
        var now = clock.GetUtcNow();
        Reservation[] rows =
        [
            .. Enumerable.Range(0, 30).Select(_ => Row(ReservationStates.Rejected, null)),
            Row(ReservationStates.AwaitingPayment, now.AddDays(1)), Row(ReservationStates.HoldingSeats, now.AddDays(1))
        ];
        await using var scope = host.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        database.AddRange(rows);
        await database.SaveChangesAsync();

        await host.Services.GetRequiredService<UnpaidCleaner>().RunOnceAsync(CancellationToken.None);
        await host.Services.GetRequiredService<DeadlineRepair>().RunOnceAsync(CancellationToken.None);

        Assert.Equal(20, await database.Reservations.CountAsync(row => row.UserId == "tess"
            && row.CurrentState == ReservationStates.Rejected));
        Assert.False(await database.Reservations.AnyAsync(row => row.Deadline > now.AddHours(1)));
        // Later checks count messages, and these reservations would send more.
        await database.Reservations.Where(row => row.UserId == "tess").ExecuteDeleteAsync();

        Reservation Row(string state, DateTimeOffset? deadline) => new()
        {
            CorrelationId = Guid.CreateVersion7(now),
            CurrentState = state,
            UserId = "tess",
            UnpaidUserId = deadline is null ? null : state,
            ScheduleId = 1,
            SeatNumbers = [1],
            IdempotencyKey = Guid.CreateVersion7(now),
            Deadline = deadline,
            CreatedAt = now,
            UpdatedAt = now
        };
    }
}
