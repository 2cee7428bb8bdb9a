using System.Data.Common;
using ConcertSaga.DataPlatform.Data;

namespace ConcertSaga.DataPlatform.Dispatch.Dialects;

/// <summary>Passes rows to PostgreSQL as one array per column.</summary>
internal sealed class PostgreSqlDeliveries : DeliveryDialect
{
    public override string Insert => """
        INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "TraceParent", "Status",
            "Attempts", "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt")
        SELECT r.id, r.reservation, r.type, r.sequence, r.payload, r.trace, 'Pending', 0, 0, @now, @now, @now
        FROM unnest(@ids, @reservations, @types, @sequences, @payloads, @traces) AS r (id, reservation, type, sequence, payload, trace)
        ON CONFLICT DO NOTHING RETURNING "DeliveryId"
        """;

    public override string Lease => $"""
        WITH due AS (
            SELECT "DeliveryId", "ReservationId", "Sequence" FROM "Deliveries"
            WHERE "Status" = 'Pending' AND "NextAttemptAt" <= @now
                AND NOT EXISTS (SELECT 1 FROM "Destinations" WHERE "PausedAt" IS NOT NULL)
            ORDER BY "NextAttemptAt" LIMIT @max FOR UPDATE SKIP LOCKED),
        judged AS (SELECT d."DeliveryId", {Blocked} AS blocked FROM due AS d)
        UPDATE "Deliveries" AS x SET
            "LeaseId" = CASE WHEN j.blocked THEN NULL ELSE @lease END,
            "LeasedUntil" = CASE WHEN j.blocked THEN NULL ELSE @until END,
            "NextAttemptAt" = CASE WHEN j.blocked THEN @recheck ELSE @until END
        FROM judged AS j WHERE x."DeliveryId" = j."DeliveryId"
        RETURNING x."DeliveryId", x."LeaseId", x."Attempts", x."AttemptsBefore", x."Since", x."Payload", x."TraceParent"
        """;

    // The planner must not choose the index of due rows: it is as long as the backlog, but old statistics may call it empty. "written"
    // therefore does not test the status (only pending rows have a lease), and "woken" tests it by exclusion.
    public override string Write => """
        WITH r AS (
            SELECT * FROM unnest(@ids, @leases, @statuses, @nexts, @befores, @sinces, @tries, @errors, @ats, @codes, @durations)
                AS r (id, lease, status, next, before, since, tries, error, at, code, duration)),
        written AS (
            UPDATE "Deliveries" AS d SET
                "Status" = r.status, "Attempts" = d."Attempts" + r.tries, "AttemptsBefore" = r.before, "Since" = r.since,
                "NextAttemptAt" = r.next, "LeaseId" = NULL, "LeasedUntil" = NULL,
                "CompletedAt" = CASE WHEN r.status = 'Pending' THEN NULL ELSE @now END,
                "LastError" = CASE WHEN r.tries = 1 THEN r.error ELSE d."LastError" END
            FROM r WHERE d."DeliveryId" = r.id AND d."LeaseId" = r.lease
            RETURNING d."DeliveryId", d."ReservationId", d."Sequence", d."Attempts", r.*),
        kept AS (
            INSERT INTO "DeliveryAttempts" ("DeliveryId", "Number", "At", "StatusCode", "DurationMilliseconds", "Error")
            SELECT w."DeliveryId", w."Attempts", w.at, w.code, w.duration, w.error FROM written AS w WHERE w.tries = 1),
        woken AS (
            UPDATE "Deliveries" AS n SET "NextAttemptAt" = @now FROM written AS w
            WHERE w.status = 'Delivered' AND n."ReservationId" = w."ReservationId" AND n."Sequence" > w."Sequence"
                AND n."Status" NOT IN ('Delivered', 'Dead', 'Discarded')
                AND n."LeaseId" IS NULL AND n."NextAttemptAt" > @now AND n."Attempts" = n."AttemptsBefore"
            RETURNING n."DeliveryId")
        SELECT w."DeliveryId", (SELECT count(*) FROM woken) FROM written AS w
        """;

    public override bool WriteIsComplete => true;

    public override void AddDeliveries(DbCommand command, Delivery[] rows)
    {
        command.AddParameter("ids", Array.ConvertAll(rows, row => row.DeliveryId));
        command.AddParameter("reservations", Array.ConvertAll(rows, row => row.ReservationId));
        command.AddParameter("types", Array.ConvertAll(rows, row => row.EventType));
        command.AddParameter("sequences", Array.ConvertAll(rows, row => row.Sequence));
        command.AddParameter("payloads", Array.ConvertAll(rows, row => row.Payload));
        command.AddParameter("traces", Array.ConvertAll(rows, row => row.TraceParent));
    }

    public override void AddOutcomes(DbCommand command, DeliveryOutcome[] outcomes)
    {
        command.AddParameter("ids", Array.ConvertAll(outcomes, outcome => outcome.Lease.DeliveryId));
        command.AddParameter("leases", Array.ConvertAll(outcomes, outcome => outcome.Lease.LeaseId));
        command.AddParameter("statuses", Array.ConvertAll(outcomes, outcome => outcome.Status.ToString()));
        command.AddParameter("nexts", Array.ConvertAll(outcomes, outcome => outcome.NextAttemptAt));
        command.AddParameter("befores", Array.ConvertAll(outcomes, outcome => outcome.AttemptsBefore));
        command.AddParameter("sinces", Array.ConvertAll(outcomes, outcome => outcome.Since));
        command.AddParameter("tries", Array.ConvertAll(outcomes, outcome => outcome.Attempt is null ? 0 : 1));
        command.AddParameter("errors", Array.ConvertAll(outcomes, outcome => outcome.Attempt?.Error));
        command.AddParameter("ats", Array.ConvertAll(outcomes, outcome => outcome.Attempt?.At));
        command.AddParameter("codes", Array.ConvertAll(outcomes, outcome => outcome.Attempt?.StatusCode));
        command.AddParameter("durations", Array.ConvertAll(outcomes, outcome => outcome.Attempt?.DurationMilliseconds));
    }
}
