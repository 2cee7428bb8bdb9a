using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Operators cancel and move schedules that customers have bought.</summary>
[Trait("Part", "Sale")]
public sealed class ScheduleTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    private const string Cancelled = "SCHEDULE_CANCELLED";
    private const long Points = 1_000_000;
    private const int SeatsPerCustomer = 4, Racers = 8, Holders = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(180);
    private static readonly ParallelOptions Crowd = new() { MaxDegreeOfParallelism = 32 };

    /// <summary>While some customers still book, and the process that cancels is killed, each payment is refunded once.</summary>
    [Theory]
    [InlineData(SystemKind.Embedded, 32)]
    [InlineData(SystemKind.Cluster, 400)]
    public async Task Schedule_Cancelled_RefundsEachCustomerOnce(SystemKind kind, int sold)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var ops = await Customer.SignInAsync(system, 0, "ops");
        var schedule = system.Seats.TakeSchedule();
        int[][] groups = [.. (await AddSeatsAsync(system, schedule, sold)).Chunk(SeatsPerCustomer)];
        var customers = await Customer.SignInAsync(system, groups.Length, Points);
        var ids = new Guid[groups.Length];
        await Parallel.ForAsync(0, groups.Length, Crowd, async (index, _) =>
            ids[index] = await BuyAsync(customers[index], schedule with { Numbers = groups[index] }));
        int[] free = [.. schedule.Numbers.Except(groups.SelectMany(numbers => numbers))];
        var holders = await Customer.SignInAsync(system, Holders, Points);
        var held = new Guid[Holders];
        for (var index = 0; index < Holders; index++)
            held[index] = (await holders[index].ReserveAsync(schedule with { Numbers = [free[index]] }, prefer: "wait=10")).ReservationId;
        var racers = await Customer.SignInAsync(system, Racers, Points);
        var races = racers.Select(customer => RaceAsync(customer, schedule with { Numbers = free[Holders..] })).ToArray();
        await Task.Delay(TimeSpan.FromSeconds(1));

        // Half of them pay around the cancellation, the others after its answer.
        var payments = held.Take(Holders / 2).Select((id, index) =>
            PayAsync(holders[index], id, TimeSpan.FromMilliseconds(50 * index))).ToList();
        var started = await ops.SendAsync(HttpMethod.Post, $"/ops/api/schedules/{schedule.ScheduleId}/cancel", new { reason = "Fire." });
        Assert.True(started.Status == 202, started.ToString());
        payments.AddRange(held.Skip(Holders / 2).Select((id, index) => PayAsync(holders[Holders / 2 + index], id, TimeSpan.Zero)));
        var part = system.Parts.First(part => part.EndsWith("Operations", StringComparison.Ordinal)
            || part.EndsWith("AllInOne", StringComparison.Ordinal));
        await system.KillAsync(part);
        await system.StartAsync(part);
        var operation = await EndAsync(ops, started.Body.GetProperty("operationId").GetGuid());
        await Task.WhenAll(races);
        var paid = await Task.WhenAll(payments);

        Assert.Equal(("Completed", 0), (operation.GetProperty("status").GetString(), operation.GetProperty("failed").GetInt32()));
        Assert.True(operation.GetProperty("matched").GetInt32() >= groups.Length);
        var books = await Auditor.CheckAsync(system, Limit);
        var refused = books.Reservations.Values.Count(row => row is { State: "Failed", FailureCode: Cancelled });
        output.WriteLine($"{kind}: {operation.GetProperty("matched")} matched, {operation.GetProperty("skipped")} skipped, "
            + $"{paid.Count(code => code is null)} of {Holders} payments in time, {refused} sales refused");
        Assert.All(held.Zip(paid).Skip(Holders / 2), payment => Assert.Equal((Cancelled, false),
            (payment.Second, books.Reservations[payment.First].WasPaid)));
        Assert.All(ids, id => Assert.Equal(("Cancelled", Cancelled), (books.Reservations[id].State, books.Reservations[id].FailureCode)));
        Assert.All(books.Seats.Where(seat => seat.ScheduleId == schedule.ScheduleId), seat => Assert.Equal("Available", seat.Status));
        var crowd = customers.Concat(racers).Concat(holders).Select(customer => customer.UserId).ToHashSet();
        Assert.All(books.Accounts.Where(account => crowd.Contains(account.UserId)), account => Assert.Equal(Points, account.Balance));
        Assert.Equal(groups.Length, books.Entries.Count(entry => entry.Kind == "Refund" && ids.Contains(entry.Reservation ?? Guid.Empty)));
        Assert.Equal(Cancelled, (await customers[0].GetAsync(ids[0])).Body.GetProperty("failure").GetProperty("code").GetString());
        Assert.Equal(Cancelled, (await customers[0].PayAsync(ids[0])).Code);
        Assert.Equal(Cancelled, (await ReserveAsync(customers[0], schedule with { Numbers = groups[0] })).Code);
        var listed = await ListedAsync(customers[0], schedule.ScheduleId);
        Assert.Equal((true, 0), (listed.GetProperty("cancelled").GetBoolean(), listed.GetProperty("availableSeats").GetInt32()));
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Schedule_Moved_MovesTheCutoffAndTheSale(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var ops = await Customer.SignInAsync(system, 0, "ops");
        var schedule = system.Seats.TakeScheduleOfLastConcert();
        var customer = await Customer.SignInAsync(system, Points);
        var id = (await customer.ReserveAsync(schedule with { Numbers = [1] }, pay: true, prefer: "wait=10")).ReservationId;
        await customer.WaitForAsync(id, Limit, ["Confirmed"]);
        var soon = TimeProvider.System.GetUtcNow().AddHours(23);

        Assert.Equal(403, (await MoveAsync(customer, schedule, new { startsAt = soon, reason = "Mine." })).Status);
        Assert.Equal(200, (await MoveAsync(ops, schedule, new { startsAt = soon, reason = "The band has to leave." })).Status);
        Assert.Equal("RESERVATION_NOT_CANCELLABLE", (await customer.CancelAsync(id)).Code);

        var later = TimeProvider.System.GetUtcNow().AddDays(50);
        Assert.Equal(200, (await MoveAsync(ops, schedule, new { startsAt = later, saleClosesAt = later, reason = "It stays." })).Status);
        Assert.Equal(200, (await customer.CancelAsync(id, "wait=10")).Status);
        Assert.Equal(later, (await ListedAsync(customer, schedule.ScheduleId)).GetProperty("startsAt").GetDateTimeOffset(),
            TimeSpan.FromMilliseconds(1));
        Assert.Equal(later, (await customer.GetAsync($"/api/schedules/{schedule.ScheduleId}/seats")).Body.GetProperty("startsAt")
            .GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        var concertId = SeatSelection.ConcertOf(schedule.ScheduleId);
        await Eventually.TrueAsync(async () =>
        {
            var room = (await ops.GetAsync($"/ops/api/waiting-rooms/{concertId}")).Body;
            // The waiting room keeps whole seconds.
            return (room.GetProperty("saleClosesAt").GetDateTimeOffset() - later).Duration() < TimeSpan.FromSeconds(1);
        }, TimeSpan.FromSeconds(60), "the waiting room follows");
        await Auditor.CheckAsync(system, Limit);
    }

    // Books single seats until the sale is over. Some of the reservations are in progress when it ends.
    private static async Task RaceAsync(Customer customer, SeatSelection seats)
    {
        var deadline = TimeProvider.System.GetUtcNow() + Limit;
        while (TimeProvider.System.GetUtcNow() < deadline)
        {
            try
            {
                var seat = Random.Shared.GetItems(seats.Numbers, 1);
                if ((await customer.ReserveAsync(seats with { Numbers = seat }, pay: true, prefer: "wait=5")).Code == Cancelled)
                    return;
            }
            catch (HttpRequestException)
            {
                // The process is being restarted.
            }
            await Task.Delay(400);
        }
        throw new TimeoutException("The sale of the cancelled schedule goes on.");
    }

    // Pays what is held, again after a restart of the process. Returns the code of the refusal; null if it is paid.
    private static async Task<string?> PayAsync(Customer customer, Guid id, TimeSpan delay)
    {
        await Task.Delay(delay);
        var deadline = TimeProvider.System.GetUtcNow() + Limit;
        while (TimeProvider.System.GetUtcNow() < deadline)
        {
            try
            {
                if (await customer.PayAsync(id, "wait=5") is { Status: 200 or 409 } answer)
                    return answer.Code;
            }
            catch (HttpRequestException)
            {
                // The process is being restarted.
            }
            await Task.Delay(100);
        }
        throw new TimeoutException($"The payment of {id} is not answered.");
    }

    private static async Task<Guid> BuyAsync(Customer customer, SeatSelection seats)
    {
        var answer = await ReserveAsync(customer, seats);
        Assert.True(answer.Status is 201 or 202, answer.ToString());
        await customer.WaitForAsync(answer.ReservationId, Limit, ["Confirmed"], TimeSpan.FromSeconds(1));
        return answer.ReservationId;
    }

    // Repeats a request that a busy system, or one that catches up after a restart, has put off.
    private static async Task<Answer> ReserveAsync(Customer customer, SeatSelection seats)
    {
        var key = Guid.CreateVersion7();
        var deadline = TimeProvider.System.GetUtcNow() + Limit;
        Answer answer;
        while ((answer = await customer.ReserveAsync(seats, pay: true, key, prefer: "wait=10")).Status is 429 or 503
            && TimeProvider.System.GetUtcNow() < deadline)
            await Task.Delay(500);
        return answer;
    }

    // A hall of the demo data is small, and the files of AllInOne cannot be changed beside it.
    private static async Task<int[]> AddSeatsAsync(ISystem system, SeatSelection schedule, int count)
    {
        if (count < SeatPool.SeatsPerSchedule)
            return schedule.Numbers[..count];
        await using var seats = await system.OpenAsync("Seats");
        await using var command = seats.CreateCommand();
        var last = SeatPool.SeatsPerSchedule + count;
#pragma warning disable CA2100 // Numbers of the test.
        command.CommandText = $"""
            INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status")
            SELECT {schedule.ScheduleId}, i, 100, 'Available' FROM generate_series({SeatPool.SeatsPerSchedule + 1}, {last}) AS i;
            UPDATE "Schedules" SET "TotalSeats" = {last}, "AvailableSeats" = "AvailableSeats" + {count}, "Version" = "Version" + 1
            WHERE "ScheduleId" = {schedule.ScheduleId}
            """;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
        return [.. Enumerable.Range(SeatPool.SeatsPerSchedule + 1, count)];
    }

    private static async Task<JsonElement> EndAsync(Customer ops, Guid operationId)
    {
        JsonElement operation = default;
        await Eventually.TrueAsync(async () =>
        {
            var answer = await ops.GetAsync($"/ops/api/operations/{operationId}");
            operation = answer.Body;
            return answer.Status == 200 && operation.GetProperty("status").GetString() is "Completed" or "Cancelled";
        }, Limit, "the operation has ended", Eventually.LongPause);
        return operation;
    }

    private static Task<Answer> MoveAsync(Customer customer, SeatSelection schedule, object body) =>
        customer.SendAsync(HttpMethod.Patch, $"/ops/api/schedules/{schedule.ScheduleId}", body);

    private static async Task<JsonElement> ListedAsync(Customer customer, int scheduleId) =>
        (await customer.GetAsync($"/api/concerts/{SeatSelection.ConcertOf(scheduleId)}/schedules?limit=100")).Body.GetProperty("items")
            .EnumerateArray().Single(item => item.GetProperty("scheduleId").GetInt32() == scheduleId);
}
