using System.Data.Common;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// Plants one disagreement in a database. The check of its invariant finds exactly that one, the others find nothing, and the report on
/// the reservation shows it too. After the repair, no check finds anything. The system still has all that the tests before have left.
/// </summary>
[Trait("Part", "Faults")]
public sealed class InvariantTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker) : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private ClusterSystem Cluster { get; set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Cluster = (ClusterSystem)await systems.GetAsync(SystemKind.Cluster, database, broker,
        [
            .. Settings.OfFaults, ("Reservation:SweepInterval", "00:10:00"), ("Reservation:HoldDuration", "00:30:00"),
            ("Reservation:CleaningInterval", "00:00:01"), ("Operations:CheckPause", "00:00:00"),
            ("Operations:SecondLookAfter", "00:00:01"), ("DataPlatform:ReconciliationInterval", "00:00:02")
        ]);
        await Cluster.SetFaultsAsync("{}");
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task SeatsSoldOnce_TwoHoldsOfOneSeat_FindsTheSecond()
    {
        var schedule = Cluster.Seats.TakeSchedule();
        await BuyAsync(schedule with { Numbers = [1] });
        var (_, second) = await BuyAsync(schedule with { Numbers = [2] });
        await FindsAsync($"SeatsSoldOnce: reservations/{second}: ", second, "Seats",
            $"""UPDATE "SeatHolds" SET "SeatNumbers" = '1' WHERE "ReservationId" = '{second}'""",
            $"""UPDATE "SeatHolds" SET "SeatNumbers" = '2' WHERE "ReservationId" = '{second}'""");
    }

    [Fact]
    public async Task BalanceEqualsLedger_WrongBalance_FindsTheAccount()
    {
        var customer = await Customer.SignInAsync(Cluster, 1_000);
        await FindsAsync($"BalanceEqualsLedger: accounts/{customer.UserId}: ", null, "Points",
            $"""UPDATE "Accounts" SET "Balance" = 1001 WHERE "UserId" = '{customer.UserId}'""",
            $"""UPDATE "Accounts" SET "Balance" = 1000 WHERE "UserId" = '{customer.UserId}'""");
    }

    [Fact]
    public async Task DebitsMatchOutcomes_DebitOfAnotherReservation_FindsTheReservation()
    {
        var (_, id) = await BuyAsync(Cluster.Seats.Take(1));
        var stray = Guid.CreateVersion7();
        await FindsAsync($"DebitsMatchOutcomes: reservations/{id}: ", id, "Points",
            $"""UPDATE "LedgerEntries" SET "ReservationId" = '{stray}' WHERE "ReservationId" = '{id}'""",
            $"""UPDATE "LedgerEntries" SET "ReservationId" = '{id}' WHERE "ReservationId" = '{stray}'""");
    }

    [Fact]
    public async Task HoldsHaveReservations_HoldOfACancelledReservation_FindsTheHold()
    {
        var seats = Cluster.Seats.Take(1);
        var (customer, id) = await BuyAsync(seats);
        Assert.Equal(200, (await customer.CancelAsync(id, prefer: "wait=10")).Status);
        var seat = $"\"ScheduleId\" = {seats.ScheduleId} AND \"Number\" = {seats.Numbers[0]}";
        await FindsAsync($"HoldsHaveReservations: reservations/{id}: ", id, "Seats",
            $"""
            UPDATE "SeatHolds" SET "Status" = 'Held' WHERE "ReservationId" = '{id}';
            UPDATE "Seats" SET "Status" = 'Held', "ReservationId" = '{id}' WHERE {seat}
            """,
            $"""
            UPDATE "SeatHolds" SET "Status" = 'Released' WHERE "ReservationId" = '{id}';
            UPDATE "Seats" SET "Status" = 'Available', "ReservationId" = NULL WHERE {seat}
            """);
    }

    [Fact]
    public async Task OutcomesDelivered_DeadDelivery_FindsTheReservation()
    {
        var (_, id) = await BuyAsync(Cluster.Seats.Take(1));
        await DeliveredAsync(id);
        await FindsAsync($"OutcomesDelivered: reservations/{id}: ", id, "DataPlatform",
            $"""UPDATE "Deliveries" SET "Status" = 'Dead' WHERE "ReservationId" = '{id}'""",
            $"""UPDATE "Deliveries" SET "Status" = 'Delivered' WHERE "ReservationId" = '{id}'""");
    }

    [Fact]
    public async Task DeadlinesKept_OverdueReservation_FindsIt()
    {
        var customer = await Customer.SignInAsync(Cluster, 1_000_000);
        var held = await customer.ReserveAsync(Cluster.Seats.Take(1), prefer: "wait=10");
        Assert.True(held is { Status: 201, ReservationStatus: "AwaitingPayment" }, held.ToString());
        var id = held.ReservationId;
        // The settings keep the sweeper away.
        await FindsAsync($"DeadlinesKept: reservations/{id}: ", id, "Orchestrator",
            $"""UPDATE "Reservations" SET "Deadline" = "Deadline" - interval '1 day' WHERE "ReservationId" = '{id}'""",
            $"""UPDATE "Reservations" SET "Deadline" = "Deadline" + interval '1 day' WHERE "ReservationId" = '{id}'""");
    }

    [Fact]
    public async Task Reservation_AfterItsRetention_LeavesNothingToFind()
    {
        // A schedule of its own, because it ends its sale.
        var seats = Cluster.Seats.TakeSchedule() with { Numbers = [1] };
        var (_, id) = await BuyAsync(seats);
        await DeliveredAsync(id);
        string[] old =
        [
            $"""UPDATE "SeatHolds" SET "UpdatedAt" = "UpdatedAt" - interval '401 days' WHERE "ReservationId" = '{id}'""",
            $"""UPDATE "LedgerEntries" SET "At" = "At" - interval '401 days' WHERE "ReservationId" = '{id}'""",
            $"""UPDATE "Payments" SET "UpdatedAt" = "UpdatedAt" - interval '401 days' WHERE "ReservationId" = '{id}'""",
            $"""
            UPDATE "Reservations" SET "CreatedAt" = "CreatedAt" - interval '401 days', "ConfirmedAt" = "ConfirmedAt" - interval '401 days',
                "UpdatedAt" = "UpdatedAt" - interval '401 days' WHERE "ReservationId" = '{id}'
            """
        ];
        await ExecuteAsync("Seats",
            $"""UPDATE "Schedules" SET "StartsAt" = now() - interval '400 days' WHERE "ScheduleId" = {seats.ScheduleId}""");
        foreach (var (owner, sql) in new[] { "Seats", "Points", "Payments", "Orchestrator" }.Zip(old))
            await ExecuteAsync(owner, sql);

        await Eventually.TrueAsync(async () => await CountAsync("Orchestrator", "Reservations", id) == 0, Limit,
            "the reservation is deleted", Eventually.LongPause);
        // Also while the other services still have their rows.
        Assert.Empty(await InvariantChecks.RunAsync(Cluster));
        foreach (var (owner, table) in new[] { ("Seats", "SeatHolds"), ("Points", "PointDeductions"), ("Payments", "Payments") })
            await Eventually.TrueAsync(async () => await CountAsync(owner, table, id) == 0, Limit, $"{owner} has deleted its rows",
                Eventually.LongPause);
        Assert.Empty(await InvariantChecks.RunAsync(Cluster));
        Assert.Equal(1, await CountAsync("Points", "LedgerEntries", id));
        Assert.Equal(1, await CountAsync("Seats", "Seats", id));
    }

    [Fact]
    public async Task Customer_WhoIsErased_IsInNoTable()
    {
        var (customer, bought) = await BuyAsync(Cluster.Seats.Take(2));
        var cancelled = await customer.ReserveAsync(Cluster.Seats.Take(1), pay: true, prefer: "wait=10");
        Assert.Equal(200, (await customer.CancelAsync(cancelled.ReservationId, prefer: "wait=10")).Status);
        await DeliveredAsync(bought);
        var open = await customer.ReserveAsync(Cluster.Seats.Take(1), prefer: "wait=10");
        var ops = await Customer.SignInAsync(Cluster, 0, "ops");
        var request = new { userId = customer.UserId, reason = "A test." };
        var refused = await ops.SendAsync(HttpMethod.Post, "/ops/api/customers/erase", request);
        Assert.True(refused is { Status: 409, Code: "RESERVATION_IN_PROGRESS" }, refused.ToString());
        Assert.Equal(200, (await customer.CancelAsync(open.ReservationId, prefer: "wait=10")).Status);

        var started = await ops.SendAsync(HttpMethod.Post, "/ops/api/customers/erase", request);
        Assert.True(started.Status == 202, started.ToString());
        var operation = started;
        await Eventually.TrueAsync(async () =>
        {
            operation = await ops.GetAsync($"/ops/api/operations/{started.Body.GetProperty("operationId").GetGuid()}");
            return operation.Text("status") == "Completed";
        }, Limit, "the customer is erased", Eventually.LongPause);
        Assert.True(operation.Number("succeeded") == 7, operation.ToString());

        List<string> places = [];
        // A message that is committed and not delivered yet names the customer for a moment.
        await Eventually.TrueAsync(async () => (places = await FindAsync(customer.UserId)).Count == 0, Limit, "no table has the customer",
            Eventually.LongPause);
        Assert.Empty(await InvariantChecks.RunAsync(Cluster));
        await ReportsAsync(bought, 0);
    }

    // Searches every column that can have text.
    private async Task<List<string>> FindAsync(string text)
    {
        var found = new List<string>();
        foreach (var owner in new[] { "Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform", "Operations" })
        {
            await using var connection = await Cluster.OpenAsync(owner);
            var columns = await ReadAsync(connection, """
                SELECT format('SELECT %L FROM %I WHERE position(''?'' in ' || CASE data_type WHEN 'bytea' THEN 'encode(%I, ''escape'')'
                    ELSE '%I::text' END || ') > 0 LIMIT 1', table_name || '.' || column_name, table_name, column_name)
                FROM information_schema.columns
                WHERE table_schema = 'public' AND data_type IN ('text', 'character varying', 'bytea', 'json', 'jsonb', 'ARRAY')
                """);
            Assert.NotEmpty(columns);
            foreach (var column in columns)
                found.AddRange((await ReadAsync(connection, column.Replace("?", text, StringComparison.Ordinal)))
                    .Select(place => $"{owner}.{place}"));
        }
        return found;
    }

    private static async Task<List<string>> ReadAsync(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Statements of this class.
        command.CommandText = sql;
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync();
        var values = new List<string>();
        while (await reader.ReadAsync())
            values.Add(reader.GetString(0));
        return values;
    }

    private async Task<(Customer Customer, Guid Id)> BuyAsync(SeatSelection seats)
    {
        var customer = await Customer.SignInAsync(Cluster, 1_000_000);
        var bought = await customer.ReserveAsync(seats, pay: true, prefer: "wait=10");
        Assert.True(bought.Status is 201 or 202, bought.ToString());
        await customer.WaitForAsync(bought.ReservationId, Limit, ["Confirmed"]);
        return (customer, bought.ReservationId);
    }

    private async Task DeliveredAsync(Guid id)
    {
        await Eventually.TrueAsync(async () => (await Cluster.ReadEventsAsync(id)).Count == 1, Limit, "the event is delivered");
        await Eventually.TrueAsync(async () => (await Books.ReadAsync(Cluster)).Deliveries[id].All(row => row.Status == "Delivered"), Limit,
            "the delivery is complete", Eventually.LongPause);
    }

    private async Task<long> CountAsync(string owner, string table, Guid id)
    {
        await using var connection = await Cluster.OpenAsync(owner);
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Names of this class.
        command.CommandText = $"""SELECT count(*) FROM "{table}" WHERE "ReservationId" = '{id}'""";
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private async Task FindsAsync(string expected, Guid? reservation, string owner, string plant, string repair)
    {
        Assert.Empty(await InvariantChecks.RunAsync(Cluster));
        await ReportsAsync(reservation, 0);

        await ExecuteAsync(owner, plant);
        Assert.StartsWith(expected, Assert.Single(await InvariantChecks.RunAsync(Cluster)), StringComparison.Ordinal);
        await ReportsAsync(reservation, 1);

        await ExecuteAsync(owner, repair);
        Assert.Empty(await InvariantChecks.RunAsync(Cluster));
    }

    private async Task ReportsAsync(Guid? reservation, int minFindings)
    {
        if (reservation is not { } id)
            return;
        var report = await (await Customer.SignInAsync(Cluster, 0, "ops")).GetAsync($"/ops/api/reservations/{id}");
        Assert.True(report.Status == 200, report.ToString());
        Assert.Equal(0, report.Body.GetProperty("missing").GetArrayLength());
        var findings = report.Body.GetProperty("findings");
        Assert.True(minFindings == 0 ? findings.GetArrayLength() == 0 : findings.GetArrayLength() >= minFindings, findings.ToString());
    }

    private async Task ExecuteAsync(string owner, string sql)
    {
        await using var connection = await Cluster.OpenAsync(owner);
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Statements of this class.
        command.CommandText = sql;
#pragma warning restore CA2100
        Assert.True(await command.ExecuteNonQueryAsync() > 0);
    }
}
