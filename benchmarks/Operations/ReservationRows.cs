using System.Globalization;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Benchmarks.Volume;
using Npgsql;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>
/// Generates reservations, their history, deliveries, failed messages and actions on the server, in the order of time. A fifth of the
/// reservations is older than the retention, a hundredth is of the last hour, and the newest are unfinished.
/// </summary>
internal static class ReservationRows
{
    /// <summary>The generated schedules, after those of the demo data. The first one is the largest.</summary>
    public const int FirstSchedule = 1001, Schedules = 10_000, SchedulesPerConcert = 100, FirstConcert = 11,
        Concerts = Schedules / SchedulesPerConcert;

    private const string Reservations = """
        INSERT INTO "Reservations" ("ReservationId", "CurrentState", "UserId", "UnpaidUserId", "ConcertId", "ScheduleId", "SeatNumbers",
            "StartsAt", "TotalPrice", "PayImmediately", "PaymentAttempt", "PaymentId", "QueueTokenId", "Outcome", "FailureCode",
            "FailureDetail", "StepAttempts", "HoldExpiresAt", "Deadline", "StuckSince", "ConfirmedAt", "IdempotencyKey", "RequestHash",
            "CreatedAt", "UpdatedAt", "Version")
        SELECT (lpad(to_hex((extract(epoch FROM created) * 1000)::bigint), 12, '0') || '7' || substr(digest, 1, 3) || '8'
                || substr(digest, 4, 15))::uuid,
            state, customer, CASE WHEN is_open THEN customer END, @firstConcert + schedule / @schedulesPerConcert,
            @firstSchedule + schedule, seat || CASE WHEN n % 2 = 0 THEN ',' || seat + 1 ELSE '' END,
            created + interval '30 days', 5000, false, CASE WHEN paid THEN 1 ELSE 0 END,
            CASE WHEN paid THEN md5('p' || n)::uuid END, md5('q' || n)::uuid,
            CASE WHEN NOT is_open AND state <> 'Confirmed' THEN state END,
            CASE WHEN n % (@rows / 10) = 7 THEN 'STEP_TIMED_OUT' WHEN state = 'Rejected' THEN 'SEAT_UNAVAILABLE'
                WHEN state = 'Expired' THEN 'HOLD_EXPIRED' WHEN state = 'Failed' THEN 'INSUFFICIENT_POINTS' END,
            CASE WHEN state IN ('Rejected', 'Expired', 'Failed') THEN 'The reason in the words that the customer sees.' END,
            CASE WHEN is_open AND dice % 20 = 0 THEN 6 ELSE 1 END, CASE WHEN state = 'AwaitingPayment' THEN @now + interval '12 hours' END,
            CASE WHEN is_open THEN @now + interval '10 hours' + n % 3600 * interval '1 second' END,
            CASE WHEN state = 'ConfirmingSeats' AND dice % 20 = 0 THEN created + interval '5 minutes' END,
            CASE WHEN paid THEN created + interval '20 seconds' END, md5('k' || n)::uuid, digest || digest, created,
            least(@now, created + CASE WHEN state = 'Cancelled' THEN interval '1 hour' ELSE interval '30 seconds' END),
            CASE WHEN is_open THEN 3 WHEN state = 'Confirmed' THEN 6 WHEN paid THEN 10 WHEN state = 'Failed' THEN 6
                WHEN state = 'Rejected' THEN 3 ELSE 5 END
        FROM (SELECT *, NOT is_open AND (state = 'Confirmed' OR state = 'Cancelled' AND dice < 780) AS paid,
                CASE WHEN is_open THEN 'open-' ELSE 'customer-' END
                    || CASE WHEN is_open THEN n ELSE abs(hashint8(n + 3000000000) % (@rows / 50)) END AS customer
            FROM (SELECT *, CASE
                    WHEN is_open THEN (ARRAY['AwaitingPayment', 'AwaitingPayment', 'AwaitingPayment', 'HoldingSeats', 'DeductingPoints',
                        'ConfirmingPayment', 'ConfirmingSeats', 'CancellingPayment', 'RefundingPoints', 'ReleasingSeats'])[1 + dice / 100]
                    WHEN dice < 700 THEN 'Confirmed' WHEN dice < 790 THEN 'Cancelled' WHEN dice < 830 THEN 'Failed'
                    WHEN dice < 910 THEN 'Expired' ELSE 'Rejected' END AS state
                FROM (SELECT n, abs(hashint8(n) % 1000) AS dice, md5(n::text) AS digest, n > @rows - @open AS is_open,
                        CASE WHEN n % 200 = 0 THEN 0 ELSE abs(hashint8(n + 9000000000) % @schedules) END AS schedule,
                        CASE WHEN n % 200 = 0 THEN n / 200 ELSE n / @schedules % 2000 END AS seat,
                        CASE WHEN n <= @old THEN @now - interval '500 days' + n * (interval '98 days' / @old)
                            WHEN n <= @before THEN @now - interval '399 days' + (n - @old) * (interval '9575 hours' / (@before - @old))
                            ELSE @now - interval '1 hour' + (n - @before) * (interval '59 minutes' / (@rows - @before)) END AS created
                    FROM generate_series(1::bigint, @rows) AS n) AS numbered) AS stated) AS reservation
        """;

    // The longest of them belong to paid reservations that were cancelled.
    private const string Transitions = """
        INSERT INTO "ReservationTransitions" ("ReservationId", "Sequence", "At", "Trigger", "FromState", "ToState", "MessageId")
        SELECT "ReservationId", step, "CreatedAt" + step * interval '0.3 seconds', 'Event' || step, path[step - 1], path[step],
            md5("ReservationId"::text || step)::uuid
        FROM (SELECT "ReservationId", "CreatedAt", ARRAY['Requested', 'HoldingSeats'] || CASE
                WHEN "Deadline" IS NOT NULL OR "CurrentState" = 'Rejected' THEN ARRAY["CurrentState"]
                WHEN "CurrentState" = 'Failed' THEN ARRAY['DeductingPoints', 'RefundingPoints', 'ReleasingSeats', 'Failed']
                WHEN "ConfirmedAt" IS NULL THEN ARRAY['AwaitingPayment', 'ReleasingSeats', "CurrentState"]
                ELSE ARRAY['DeductingPoints', 'ConfirmingPayment', 'ConfirmingSeats', 'Confirmed'] || CASE
                    WHEN "CurrentState" = 'Confirmed' THEN '{}'
                    ELSE ARRAY['CancellingPayment', 'RefundingPoints', 'ReleasingSeats', 'Cancelled'] END END::text[] AS path
            FROM "Reservations" WHERE "CreatedAt" < @now - interval '400 days' OR "CreatedAt" > @now - interval '2 hours') AS reservation,
            LATERAL generate_series(1, cardinality(path)) AS step
        """;

    private const string Actions = """
        INSERT INTO "OperatorActions" ("ActionId", "At", "Operator", "Action", "Target", "Reason", "Before", "After")
        SELECT md5('a' || n)::uuid, @now - (@rows / 20 - n) * (interval '700 days' / (@rows / 20)), 'operator-' || n % 20,
            CASE WHEN n % 3 = 0 THEN 'Cancel' ELSE 'Retry' END, 'reservations/' || md5('t' || n / 2)::uuid,
            'The customer called.', '{"state":"Confirmed"}', '{"state":"CancellingPayment"}'
        FROM generate_series(1::bigint, @rows / 20) AS n
        """;

    private const string Deliveries = """
        INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "Status", "Attempts",
            "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt", "CompletedAt", "LastError")
        SELECT md5('d' || n)::uuid, md5('r' || n / 2)::uuid, 'reservation.' || CASE WHEN n % 2 = 0 THEN 'confirmed' ELSE 'cancelled' END,
            n % 2 + 1, '{"type":"reservation.confirmed","data":{"filler":"' || repeat('x', 200) || '"}}',
            CASE WHEN n % 200 = 0 THEN 'Dead' WHEN n % (@rows / 100) = 1 THEN 'Discarded' ELSE 'Delivered' END, 1, 0, at, at, at, at,
            CASE WHEN n % 200 = 0 THEN 'The platform answered 500.' END
        FROM (SELECT n, @now - (@rows / 10 - n) * (interval '29 days' / (@rows / 10)) AS at
            FROM generate_series(1::bigint, @rows / 10) AS n) AS delivery;
        UPDATE "Destinations" SET "ReconciledTo" = @now
        """;

    private const string FailedMessages = """
        INSERT INTO "FailedMessages" ("Queue", "Kind", "MessageId", "MessageType", "ExceptionType", "ExceptionMessage", "Fingerprint",
            "ReceivedAt", "Status", "CompletedAt", "Size", "ContentType", "Headers", "Body")
        SELECT (ARRAY['seats-hold', 'points-deduct', 'payments-confirm', 'reservations'])[1 + n % 4], 'Error', 'm' || n,
            'ConcertSaga.Contracts.Seats.HoldSeats',
            CASE WHEN n % 1000 = 1 THEN 'System.TimeoutException' ELSE 'Npgsql.NpgsqlException' END, 'The connection was lost.',
            md5('f' || n) || md5('g' || n), @now - (@rows / 100 - n) * (interval '29 days' / (@rows / 100)),
            CASE WHEN n % 5 = 0 THEN 'Waiting' ELSE 'Requeued' END,
            CASE WHEN n % 5 = 0 THEN NULL ELSE @now - (@rows / 100 - n) * (interval '29 days' / (@rows / 100)) END, 1000,
            'application/vnd.masstransit+json', '{"MT-Fault-Message":"The connection was lost."}', decode(repeat('20', 1000), 'hex')
        FROM generate_series(1::bigint, @rows / 100) AS n
        """;

    private const string Catalogue = """
        INSERT INTO "Concerts" ("ConcertId", "Title", "Venue", "SaleOpensAt", "SaleClosesAt", "TimeZone")
        SELECT @firstConcert + n, 'Concert ' || n, 'Hall', '2020-01-01Z', '2020-12-31Z', 'UTC'
        FROM generate_series(0, @schedules / @schedulesPerConcert - 1) AS n;
        INSERT INTO "Schedules" ("ScheduleId", "ConcertId", "StartsAt", "TotalSeats", "AvailableSeats", "Version")
        SELECT @firstSchedule + n, @firstConcert + n / @schedulesPerConcert, '2021-01-01Z', 0, 0, 0
        FROM generate_series(0, @schedules - 1) AS n
        """;

    /// <summary>Fills the databases of the owners of reservations, deliveries and failed messages.</summary>
    public static async Task FillAsync(Cluster cluster, int rows, CancellationToken cancellationToken)
    {
        await FillAsync(cluster, "orchestrator", rows, ["Reservations", "ReservationTransitions", "OperatorActions"],
            [Reservations, Transitions, Actions], cancellationToken);
        await FillAsync(cluster, "dataplatform", rows, ["Deliveries", "DeliveryAttempts", "OperatorActions"], [Deliveries, Actions],
            cancellationToken);
        await FillAsync(cluster, "operations", rows, ["FailedMessages", "OperatorActions"], [FailedMessages, Actions], cancellationToken);
    }

    /// <summary>Adds the schedules of the reservations, which have started. Seats must have its demo data.</summary>
    public static Task FillCatalogueAsync(Cluster cluster, CancellationToken cancellationToken) =>
        FillAsync(cluster, "seats", 0, [], [Catalogue], cancellationToken);

    private static async Task FillAsync(
        Cluster cluster, string owner, int rows, string[] tables, string[] statements, CancellationToken cancellationToken)
    {
        await using var connection = await cluster.DatabaseOf(owner).OpenConnectionAsync(cancellationToken);
        await ExecuteAsync("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET max_parallel_workers_per_gather = 0");
        var indexes = tables.Length == 0 ? null : await IndexRebuild.DropAsync(connection, tables, cancellationToken);
        var open = Math.Max(rows / 500, 20);
        foreach (var statement in statements)
            await ExecuteAsync(WithValues(statement, rows, open));
        if (indexes is not null)
            await indexes.CreateAsync(connection, (_, work) => work, cancellationToken);
        await ExecuteAsync("VACUUM (ANALYZE)");
        // The pool resets the settings of a session only when it is used again.
        NpgsqlConnection.ClearPool(connection);

        Task ExecuteAsync(string statement) => CatalogueDatabase.ExecuteAsync(connection, statement, cancellationToken);
    }

    // The statements have no parameters, so that several can be sent at once.
    private static string WithValues(string statement, int rows, int open) => new (string Name, FormattableString Value)[]
    {
        ("@now", $"'{TimeProvider.System.GetUtcNow():O}'::timestamptz"), ("@rows", $"{rows}::bigint"), ("@old", $"{rows / 5}"),
        ("@open", $"{open}"), ("@before", $"{rows - rows / 100}"), ("@schedulesPerConcert", $"{SchedulesPerConcert}"),
        ("@schedules", $"{Schedules}"),
        ("@firstSchedule", $"{FirstSchedule}"), ("@firstConcert", $"{FirstConcert}")
    }.Aggregate(statement,
        (text, value) => text.Replace(value.Name, value.Value.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
}
