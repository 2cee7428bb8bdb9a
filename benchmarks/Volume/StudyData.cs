using System.Globalization;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Data of a study beside the catalogue: sold seats with their owners, and the reservations of the customers.</summary>
internal static class StudyData
{
    /// <summary>Sold seats of each schedule, the first ones; each belongs to its own reservation.</summary>
    public const int SoldPerSchedule = 5;

    /// <summary>Reservations of each customer.</summary>
    public const int ReservationsPerUser = 10;

    private const string Reservation =
        "(lpad(to_hex(s.\"ScheduleId\"), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(s.\"Number\"), 12, '0'))::uuid";

    /// <summary>The reservation that owns a sold seat.</summary>
    public static Guid ReservationOf(int scheduleId, int number) => new($"{scheduleId:x8}-0000-7000-8000-{number:x12}");

    /// <summary>Sells the first seats of each schedule. It rewrites the tables, so that they are as dense as after a load.</summary>
    public static async Task SellAsync(NpgsqlConnection connection, int users, CancellationToken cancellationToken)
    {
        string[] statements =
        [
            string.Create(CultureInfo.InvariantCulture, $"""
                INSERT INTO "SeatHolds" ("ReservationId", "UserId", "ConcertId", "ScheduleId", "SeatNumbers", "SeatCount",
                    "StartsAt", "TotalPrice", "Status", "RefusedSeats", "CreatedAt", "UpdatedAt")
                SELECT {Reservation},
                    'user-' || (hashint8(s."ScheduleId" * 100::bigint + s."Number")::bigint & 2147483647) % {users}, d."ConcertId",
                    s."ScheduleId", s."Number"::text, 1, d."StartsAt", s."Price", 'Confirmed', '', now(), now()
                FROM "Seats" s JOIN "Schedules" d USING ("ScheduleId") WHERE s."Number" <= {SoldPerSchedule}
                """),
            $"""UPDATE "Seats" s SET "Status" = 'Sold', "ReservationId" = {Reservation} WHERE s."Number" <= {SoldPerSchedule}""",
            $"""UPDATE "Schedules" SET "AvailableSeats" = "TotalSeats" - {SoldPerSchedule} WHERE "TotalSeats" > 0""",
            """CLUSTER "Seats" USING "PK_Seats" """, """CLUSTER "Schedules" USING "PK_Schedules" """,
            "VACUUM (ANALYZE)"
        ];
        foreach (var statement in statements)
            await CatalogueDatabase.ExecuteAsync(connection, statement, cancellationToken);
    }

    /// <summary>Writes a reservation per sold seat. One in fifty waits for its payment; the others have ended.</summary>
    public static async Task ReserveAsync(string address, int reservations, int users, CancellationToken cancellationToken)
    {
        var options = new DbContextOptionsBuilder<PostgreSqlOrchestratorDbContext>();
        DatabaseRegistration.Use(options, DatabaseProvider.PostgreSql, address);
        await using var context = new PostgreSqlOrchestratorDbContext(options.Options);
        await context.Database.MigrateAsync(cancellationToken);
        await context.Database.OpenConnectionAsync(cancellationToken);
        var connection = context.Database.GetDbConnection();
        await CatalogueDatabase.ExecuteAsync(connection, string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO "Reservations" ("ReservationId", "CurrentState", "UserId", "ScheduleId", "SeatNumbers", "TotalPrice",
                "PayImmediately", "PaymentAttempt", "StepAttempts", "Deadline", "HoldExpiresAt", "IdempotencyKey",
                "RequestHash", "CreatedAt", "UpdatedAt", "Version")
            SELECT gen_random_uuid(), CASE WHEN i % 50 = 0 THEN 'AwaitingPayment' WHEN i % 50 < 10 THEN 'Expired' ELSE 'Confirmed' END,
                'user-' || i % {users}, i % 200000 + 1, '7', 90000, false, 1, 1,
                CASE WHEN i % 50 = 0 THEN now() + (i % 600 - 1) * interval '1 second' END,
                CASE WHEN i % 50 = 0 THEN now() + (i % 600 - 1) * interval '1 second' END,
                gen_random_uuid(), repeat('0', 64), now() - i * interval '1 second', now(), 6
            FROM generate_series(1, {reservations}) i
            """), cancellationToken);
        // The sweeper must not expire them while the study captures the service's statements.
        await CatalogueDatabase.ExecuteAsync(connection, """
            UPDATE "Reservations" SET "Deadline" = now() + interval '1 hour' WHERE "Deadline" < now() + interval '10 minutes'
            """, cancellationToken);
        await CatalogueDatabase.ExecuteAsync(connection, "VACUUM (ANALYZE)", cancellationToken);
    }

    /// <summary>
    /// Writes a delivery per reservation. One in a hundred is pending, as after an outage of the data platform, and a tenth of these are
    /// due.
    /// </summary>
    /// <returns>The statement that leases due deliveries.</returns>
    public static async Task<SentStatement> DeliverAsync(string address, int deliveries, CancellationToken cancellationToken)
    {
        var options = new DbContextOptionsBuilder<PostgreSqlDataPlatformDbContext>();
        DatabaseRegistration.Use(options, DatabaseProvider.PostgreSql, address);
        await using var context = new PostgreSqlDataPlatformDbContext(options.Options);
        await context.Database.MigrateAsync(cancellationToken);
        await context.Database.OpenConnectionAsync(cancellationToken);
        var connection = context.Database.GetDbConnection();
        await CatalogueDatabase.ExecuteAsync(connection, string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "Status", "Attempts",
                "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt", "CompletedAt")
            SELECT gen_random_uuid(), gen_random_uuid(), 'reservation.confirmed', 1, repeat('x', 500),
                CASE WHEN i % 100 = 0 THEN 'Pending' ELSE 'Delivered' END, 1, 0, at,
                CASE WHEN i % 100 = 0 THEN now() + (i / 100 % 10) * interval '1 hour' ELSE at END, at, CASE WHEN i % 100 <> 0 THEN at END
            FROM (SELECT i, now() - i * interval '1 second' AS at FROM generate_series(1, {deliveries}) AS i) AS made
            """), cancellationToken);
        await CatalogueDatabase.ExecuteAsync(connection, "VACUUM (ANALYZE)", cancellationToken);
        var now = TimeProvider.System.GetUtcNow();
        return new SentStatement(DeliveryStore.LeaseText(context),
            [new("@max", 32), new("@now", now.AddMinutes(1)), new("@lease", Guid.CreateVersion7(now)), new("@until", now.AddMinutes(2)),
                new("@recheck", now.AddMinutes(2))]);
    }
}
