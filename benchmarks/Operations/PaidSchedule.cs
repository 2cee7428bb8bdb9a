using System.Globalization;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Benchmarks.Volume;
using ConcertSaga.Shared.Hosting.Databases;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>
/// A schedule with sold seats, each of another customer, and a few free ones: what every service has after so many reservations were
/// confirmed and delivered.
/// </summary>
internal sealed class PaidSchedule(Cluster cluster, int scheduleId, int seats)
{
    private const int Price = 5_000, FreeSeats = 100;

    private readonly List<Guid> _ids = [];

    // Each service finds the time of the request in the id.
    private const string Row = """
        (SELECT n, 'paid-@schedule-' || n AS customer, (lpad(to_hex((extract(epoch FROM @now) * 1000)::bigint), 12, '0') || '7'
            || substr(md5('@schedule-' || n), 1, 3) || '8' || substr(md5('@schedule-' || n), 4, 15))::uuid AS id
        FROM generate_series(1, @seats) AS n) AS row
        """;

    private const string Orchestrator = $"""
        INSERT INTO "Reservations" ("ReservationId", "CurrentState", "UserId", "ConcertId", "ScheduleId", "SeatNumbers", "StartsAt",
            "TotalPrice", "PayImmediately", "PaymentAttempt", "PaymentId", "StepAttempts", "ConfirmedAt", "IdempotencyKey", "RequestHash",
            "CreatedAt", "UpdatedAt", "Version")
        SELECT id, 'Confirmed', customer, @schedule, @schedule, n, @now + interval '30 days', @price, true, 1, md5('y' || id)::uuid, 1,
            @now, md5('k' || id)::uuid, md5(customer), @now, @now, 6
        FROM {Row};
        INSERT INTO "ReservationTransitions" ("ReservationId", "Sequence", "At", "Trigger", "FromState", "ToState")
        SELECT id, step, @now, 'Event', path[step - 1], path[step] FROM {Row}, LATERAL (SELECT ARRAY['Requested', 'HoldingSeats',
            'DeductingPoints', 'ConfirmingPayment', 'ConfirmingSeats', 'Confirmed'] AS path) AS paths, generate_series(1, 6) AS step
        """;

    private const string Seats = $"""
        INSERT INTO "Concerts" ("ConcertId", "Title", "Venue", "SaleOpensAt", "SaleClosesAt", "TimeZone")
        VALUES (@schedule, 'Concert', 'Arena', @now - interval '1 day', @now + interval '20 days', 'UTC');
        INSERT INTO "Schedules" ("ScheduleId", "ConcertId", "StartsAt", "TotalSeats", "AvailableSeats", "Version")
        VALUES (@schedule, @schedule, @now + interval '30 days', @seats + @free, @free, 0);
        INSERT INTO "Seats" ("ScheduleId", "Number", "Price", "Status", "ReservationId") SELECT @schedule, n, @price, 'Sold', id FROM {Row}
        UNION ALL SELECT @schedule, n, @price, 'Available', NULL FROM generate_series(@seats + 1, @seats + @free) AS n;
        INSERT INTO "SeatHolds" ("ReservationId", "UserId", "ConcertId", "ScheduleId", "SeatNumbers", "SeatCount", "TotalPrice", "Status",
            "RefusedSeats", "StartsAt", "CreatedAt", "UpdatedAt")
        SELECT id, customer, @schedule, @schedule, n, 1, @price, 'Confirmed', '', @now + interval '30 days', @now, @now FROM {Row}
        """;

    private const string Points = $"""
        INSERT INTO "Accounts" ("UserId", "Balance", "EntryCount") SELECT customer, 0, 2 FROM {Row};
        INSERT INTO "LedgerEntries" ("EntryId", "UserId", "Sequence", "Kind", "Amount", "BalanceAfter", "ReservationId", "At")
        SELECT md5('c' || id)::uuid, customer, 1, 'Charge', @price, @price, NULL, @now FROM {Row}
        UNION ALL SELECT md5('d' || id)::uuid, customer, 2, 'Deduction', -@price, 0, id, @now FROM {Row};
        INSERT INTO "PointDeductions" ("ReservationId", "Attempt", "UserId", "Amount", "Status", "BalanceAfter", "CreatedAt")
        SELECT id, 1, customer, @price, 'Deducted', 0, @now FROM {Row}
        """;

    private const string Payments = $"""
        INSERT INTO "Payments" ("ReservationId", "PaymentId", "UserId", "Amount", "Status", "CreatedAt", "UpdatedAt")
        SELECT id, md5('y' || id)::uuid, customer, @price, 'Confirmed', @now, @now FROM {Row}
        """;

    private const string Deliveries = """
        INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "Status", "Attempts",
            "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt", "CompletedAt")
        SELECT delivery, reservation, 'reservation.confirmed', 1, '{}', 'Delivered', 1, 0, now(), now(), now(), now()
        FROM unnest($1, $2) AS ids (delivery, reservation)
        """;

    /// <summary>The id of the schedule and of its concert.</summary>
    public int ScheduleId => scheduleId;

    /// <summary>Seats, sold or free.</summary>
    public int AllSeats => seats + FreeSeats;

    public async Task FillAsync(CancellationToken cancellationToken)
    {
        (string Owner, string Statements)[] owners =
            [("orchestrator", Orchestrator), ("seats", Seats), ("points", Points), ("payments", Payments)];
        var now = $"'{TimeProvider.System.GetUtcNow().AddDays(-2):O}'::timestamptz";
        foreach (var (owner, statements) in owners)
        {
            await using var connection = await cluster.DatabaseOf(owner).OpenConnectionAsync(cancellationToken);
            await CatalogueDatabase.ExecuteAsync(connection, statements.Replace("@now", now, StringComparison.Ordinal)
                .Replace("@schedule", Text(scheduleId), StringComparison.Ordinal)
                .Replace("@seats", Text(seats), StringComparison.Ordinal)
                .Replace("@free", Text(FreeSeats), StringComparison.Ordinal)
                .Replace("@price", Text(Price), StringComparison.Ordinal), cancellationToken);
        }
        await using (var select = cluster.DatabaseOf("orchestrator").CreateCommand(
            "SELECT \"ReservationId\" FROM \"Reservations\" WHERE \"ScheduleId\" = $1 AND \"Deadline\" IS NULL"))
        {
            select.Parameters.AddWithValue(scheduleId);
            await using var reader = await select.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
                _ids.Add(reader.GetGuid(0));
        }
        await using var insert = cluster.DatabaseOf("dataplatform").CreateCommand(Deliveries);
        insert.Parameters.AddWithValue(_ids.ConvertAll(id => DerivedId.Of(id, "reservation.confirmed")));
        insert.Parameters.AddWithValue(_ids);
        await insert.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The number of reservations that are cancelled.</summary>
    public Task<long> CancelledAsync() => cluster.NumberAsync("orchestrator",
        $"""
        SELECT count(*) FROM "Reservations" WHERE "ScheduleId" = {Text(scheduleId)} AND "CurrentState" = 'Cancelled'
            AND "Outcome" = 'Cancelled' AND "ConfirmedAt" IS NOT NULL
        """);

    /// <summary>The number of cancellations that the data platform has accepted.</summary>
    public Task<long> ToldAsync() => cluster.NumberAsync("dataplatform",
        $"""
        SELECT count(*) FROM "Deliveries" WHERE "EventType" = 'reservation.cancelled' AND "Status" = 'Delivered'
            AND "CreatedAt" > now() - interval '1 hour' AND "Payload" LIKE '%"scheduleId":{Text(scheduleId)},%'
        """);

    /// <summary>Commands of its reservations that were resent because their reply was late.</summary>
    public Task<long> ResentAsync() => cluster.NumberAsync("orchestrator",
        $"""
        SELECT count(*) FROM "ReservationTransitions" JOIN "Reservations" USING ("ReservationId")
        WHERE "ScheduleId" = {Text(scheduleId)} AND "FromState" = "ToState"
        """);

    /// <summary>Compares what the services and the data platform have after the cancellation with what they must have.</summary>
    public async Task<List<string>> FaultsAsync()
    {
        var faults = new List<string>();
        foreach (var (what, owner, sql, expected) in TotalsOf($"LIKE 'paid-{Text(scheduleId)}-%'", Text(scheduleId)))
        {
            if (await cluster.NumberAsync(owner, sql) is var found && found != expected)
                faults.Add($"{what} of schedule {Text(scheduleId)}: {found}, expected {expected}");
        }
        // A second arrival of the same event is no second event.
        var told = _ids.Count(id => cluster.ReceivedOf(id).Count(received => received.Type == "reservation.cancelled") == 1);
        if (told != seats || _ids.Count != seats)
            faults.Add($"cancellations of schedule {Text(scheduleId)} at the data platform: {told} of {_ids.Count}, expected {seats}");
        return faults;
    }

    private (string What, string Owner, string Sql, long Expected)[] TotalsOf(string ofSchedule, string id) =>
    [
        ("customers with their points", "points",
            $"SELECT count(*) FROM \"Accounts\" WHERE \"UserId\" {ofSchedule} AND \"Balance\" = {Price} AND \"EntryCount\" = 3", seats),
        ("refunds", "points",
            $"SELECT count(*) FROM \"LedgerEntries\" WHERE \"UserId\" {ofSchedule} AND \"Kind\" = 'Refund'", seats),
        ("refunded customers", "points",
            $"SELECT count(DISTINCT \"UserId\") FROM \"LedgerEntries\" WHERE \"UserId\" {ofSchedule} AND \"Kind\" = 'Refund' "
            + $"AND \"Amount\" = {Price}", seats),
        ("points in the ledger", "points",
            $"SELECT sum(\"Amount\")::bigint FROM \"LedgerEntries\" WHERE \"UserId\" {ofSchedule}", (long)seats * Price),
        ("cancelled payments", "payments",
            $"SELECT count(*) FROM \"Payments\" WHERE \"UserId\" {ofSchedule} AND \"Status\" = 'Cancelled'", seats),
        ("available seats", "seats",
            $"SELECT count(*) FROM \"Seats\" WHERE \"ScheduleId\" = {id} AND \"Status\" = 'Available'", AllSeats),
        ("counted available seats", "seats",
            $"SELECT \"AvailableSeats\"::bigint FROM \"Schedules\" WHERE \"ScheduleId\" = {id}", AllSeats),
        ("live holds", "seats",
            $"SELECT count(*) FROM \"SeatHolds\" WHERE \"ScheduleId\" = {id} AND \"Status\" IN ('Held', 'Confirmed')", 0),
        ("reservations that were ever confirmed", "orchestrator",
            $"SELECT count(*) FROM \"Reservations\" WHERE \"ScheduleId\" = {id} AND \"ConfirmedAt\" IS NOT NULL", seats),
        ("reservations in progress", "orchestrator",
            $"SELECT count(*) FROM \"Reservations\" WHERE \"ScheduleId\" = {id} AND \"Deadline\" IS NOT NULL", 0)
    ];

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
