using System.Data.Common;
using System.Globalization;

namespace ConcertSaga.DataPlatform.Dispatch.Dialects;

/// <summary>Writes ids and instants as the text that EF Core stores in SQLite, because SQLite compares the text.</summary>
internal sealed class SqliteDeliveries : JsonDeliveries
{
    public override string Insert => """
        INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "TraceParent", "Status",
            "Attempts", "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt")
        SELECT value ->> '$.id', value ->> '$.reservation', value ->> '$.type', value ->> '$.sequence', value ->> '$.payload',
            value ->> '$.trace', 'Pending', 0, 0, @now, @now, @now
        FROM json_each(@rows) WHERE true
        ON CONFLICT DO NOTHING RETURNING "DeliveryId"
        """;

    public override string Lease => $"""
        UPDATE "Deliveries" AS d SET
            "LeaseId" = CASE WHEN {Blocked} THEN NULL ELSE @lease END,
            "LeasedUntil" = CASE WHEN {Blocked} THEN NULL ELSE @until END,
            "NextAttemptAt" = CASE WHEN {Blocked} THEN @recheck ELSE @until END
        WHERE d."DeliveryId" IN (
            SELECT c."DeliveryId" FROM "Deliveries" AS c
            WHERE c."Status" = 'Pending' AND c."NextAttemptAt" <= @now
                AND NOT EXISTS (SELECT 1 FROM "Destinations" WHERE "PausedAt" IS NOT NULL)
            ORDER BY c."NextAttemptAt" LIMIT @max)
        RETURNING "DeliveryId", "LeaseId", "Attempts", "AttemptsBefore", "Since", "Payload", "TraceParent"
        """;

    public override string Write => """
        UPDATE "Deliveries" AS d SET
            "Status" = r.status, "Attempts" = d."Attempts" + r.tries, "AttemptsBefore" = r.before, "Since" = r.since,
            "NextAttemptAt" = r.next, "LeaseId" = NULL, "LeasedUntil" = NULL,
            "CompletedAt" = CASE WHEN r.status = 'Pending' THEN NULL ELSE @now END,
            "LastError" = CASE WHEN r.tries = 1 THEN r.error ELSE d."LastError" END
        FROM (SELECT value ->> '$.id' AS id, value ->> '$.lease' AS lease, value ->> '$.status' AS status, value ->> '$.next' AS next,
            value ->> '$.before' AS before, value ->> '$.since' AS since,
            value ->> '$.tries' AS tries, value ->> '$.error' AS error FROM json_each(@rows)) AS r
        WHERE d."DeliveryId" = r.id AND d."LeaseId" = r.lease
        RETURNING "DeliveryId"
        """;

    public override object InstantValue(DateTimeOffset instant) => instant.UtcDateTime;

    public override DateTimeOffset ReadInstant(DbDataReader row, int column) =>
        new(DateTime.SpecifyKind(row.GetDateTime(column), DateTimeKind.Utc));

    protected override string IdText(Guid id) => id.ToString().ToUpperInvariant();

    protected override string InstantText(DateTimeOffset instant) =>
        instant.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture);
}
