using System.Data.Common;
using System.Globalization;
using System.Text;
using System.Text.Json;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace ConcertSaga.DataPlatform.Data;

/// <summary>A delivery that a replica has taken for a while.</summary>
internal sealed record Leased(
    Guid DeliveryId, Guid LeaseId, DateTimeOffset LeasedUntil, int Attempts, int AttemptsBefore, DateTimeOffset Since, string Payload);

/// <summary>How a leased delivery goes on.</summary>
/// <param name="Lease">The delivery.</param>
/// <param name="Status">Its new status.</param>
/// <param name="NextAttemptAt">When it is due again, if it is pending.</param>
/// <param name="Attempt">What was done; null where it is given back unsent.</param>
internal sealed record Outcome(Leased Lease, DeliveryStatus Status, DateTimeOffset NextAttemptAt, DeliveryAttempt? Attempt);

/// <summary>
/// The three statements that run for each delivery, or rather for many of them at once, written out for each server: insert what is missing,
/// take what is due, write what came of it.
/// </summary>
internal static class DeliveryStatements
{
    /// <summary>How long a delivery that waits for an earlier one is left alone; it is looked at again sooner when that one is delivered.</summary>
    public static readonly TimeSpan HeldFor = TimeSpan.FromSeconds(10);

    /// <summary>Inserts those that are not there, in one statement; the others are left as they are.</summary>
    /// <returns>How many were inserted.</returns>
    public static async Task<int> InsertMissingAsync(
        this DataPlatformDbContext database, IReadOnlyCollection<PlatformEvent> events, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // The order of locks is the same in every replica; and of copies within the group one is enough.
        var rows = events.DistinctBy(one => one.DeliveryId).OrderBy(one => one.DeliveryId).ToArray();
        var dialect = Dialect.Of(database);
        await using var command = await CommandAsync(database, dialect.Insert, cancellationToken);
        command.Add("now", dialect.Instant(now));
        if (dialect.HasArrays)
        {
            command.Add("ids", Array.ConvertAll(rows, row => row.DeliveryId));
            command.Add("reservations", Array.ConvertAll(rows, row => row.ReservationId));
            command.Add("types", Array.ConvertAll(rows, row => row.EventType));
            command.Add("sequences", Array.ConvertAll(rows, row => row.Sequence));
            command.Add("payloads", Array.ConvertAll(rows, row => row.Body));
        }
        else
        {
            command.Add("rows", Json(rows, (json, row) =>
            {
                json.WriteString("id", dialect.Id(row.DeliveryId));
                json.WriteString("reservation", dialect.Id(row.ReservationId));
                json.WriteString("type", row.EventType);
                json.WriteNumber("sequence", row.Sequence);
                json.WriteString("payload", row.Body);
            }));
        }
        return await command.RunAsync(null, cancellationToken);
    }

    /// <summary>
    /// Takes deliveries that are due, those that are due longest first, unless the destination is paused. What another replica is taking at the
    /// moment is skipped. What waits for an earlier event of its reservation is not taken but put off a little.
    /// </summary>
    /// <returns>How many were looked at, and those that were taken.</returns>
    public static async Task<(int Seen, List<Leased> Taken)> LeaseAsync(
        this DataPlatformDbContext database, int most, DateTimeOffset now, TimeSpan duration, CancellationToken cancellationToken)
    {
        var (lease, until, taken) = (Guid.CreateVersion7(now), now + duration, new List<Leased>());
        var dialect = Dialect.Of(database);
        await using var command = await CommandAsync(database, dialect.Lease, cancellationToken);
        command.Add("most", most);
        command.Add("now", dialect.Instant(now));
        command.Add("lease", lease);
        command.Add("until", dialect.Instant(until));
        command.Add("held", dialect.Instant(now + HeldFor));
        var seen = await command.RunAsync(
            row =>
            {
                if (!row.IsDBNull(1))
                    taken.Add(new Leased(row.GetGuid(0), lease, until, row.GetInt32(2), row.GetInt32(3), dialect.InstantOf(row, 4), row.GetString(5)));
            },
            cancellationToken);
        return (seen, taken);
    }

    /// <summary>The statement that takes what is due, for whoever judges its plan.</summary>
    public static string LeaseText(DataPlatformDbContext database) => Dialect.Of(database).Lease;

    /// <summary>
    /// Writes what came of deliveries, each only if it is still under the lease it was sent under; keeps the attempts, and makes the next event
    /// of a reservation due whose earlier one is delivered.
    /// </summary>
    /// <returns>The deliveries whose result was taken, and how many are due by it.</returns>
    public static async Task<(HashSet<Guid> Written, int Woken)> WriteAsync(
        this DataPlatformDbContext database, IReadOnlyList<Outcome> group, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var outcomes = group.OrderBy(one => one.Lease.DeliveryId).ToArray();
        var (written, woken) = (new HashSet<Guid>(), 0);
        var dialect = Dialect.Of(database);
        await using (var command = await CommandAsync(database, dialect.Write, cancellationToken))
        {
            command.Add("now", dialect.Instant(now));
            if (dialect.HasArrays)
            {
                command.Add("ids", Array.ConvertAll(outcomes, one => one.Lease.DeliveryId));
                command.Add("leases", Array.ConvertAll(outcomes, one => one.Lease.LeaseId));
                command.Add("statuses", Array.ConvertAll(outcomes, one => one.Status.ToString()));
                command.Add("nexts", Array.ConvertAll(outcomes, one => one.NextAttemptAt));
                command.Add("tries", Array.ConvertAll(outcomes, one => one.Attempt is null ? 0 : 1));
                command.Add("errors", Array.ConvertAll(outcomes, one => one.Attempt?.Error));
                command.Add("ats", Array.ConvertAll(outcomes, one => one.Attempt?.At));
                command.Add("codes", Array.ConvertAll(outcomes, one => one.Attempt?.StatusCode));
                command.Add("durations", Array.ConvertAll(outcomes, one => one.Attempt?.DurationMilliseconds));
            }
            else
            {
                command.Add("rows", Json(outcomes, (json, one) =>
                {
                    json.WriteString("id", dialect.Id(one.Lease.DeliveryId));
                    json.WriteString("lease", dialect.Id(one.Lease.LeaseId));
                    json.WriteString("status", one.Status.ToString());
                    json.WriteString("next", dialect.Text(one.NextAttemptAt));
                    json.WriteNumber("tries", one.Attempt is null ? 0 : 1);
                    json.WriteString("error", one.Attempt?.Error);
                }));
            }
            await command.RunAsync(
                row =>
                {
                    written.Add(row.GetGuid(0));
                    // Each row has the number of all that were woken.
                    woken = dialect.HasArrays ? (int)row.GetInt64(1) : 0;
                },
                cancellationToken);
        }
        if (!dialect.HasArrays)
            woken = await FollowAsync(database, outcomes, written, now, cancellationToken);
        return (written, woken);
    }

    // What the one statement of PostgreSQL does besides.
    private static async Task<int> FollowAsync(
        DataPlatformDbContext database, Outcome[] outcomes, HashSet<Guid> written, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var taken = outcomes.Where(one => written.Contains(one.Lease.DeliveryId)).ToList();
        if (taken.Exists(one => one.Attempt is not null))
        {
            database.Attempts.AddRange(taken.Select(one => one.Attempt).OfType<DeliveryAttempt>());
            await database.SaveChangesAsync(cancellationToken);
            database.ChangeTracker.Clear();
        }
        var delivered = taken.Where(one => one.Status == DeliveryStatus.Delivered).Select(one => one.Lease.DeliveryId).ToList();
        return delivered.Count == 0 ? 0 : await database.WakeAsync(delivered, now, cancellationToken);
    }

    /// <summary>Makes those due that waited for these.</summary>
    public static Task<int> WakeAsync(this DataPlatformDbContext database, List<Guid> done, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.Deliveries
            .Where(next => next.Status == DeliveryStatus.Pending && next.Sequence > 1 && next.LeaseId == null && next.NextAttemptAt > now && next.Attempts == next.AttemptsBefore
                && database.Deliveries.Any(first => done.Contains(first.DeliveryId) && first.ReservationId == next.ReservationId && first.Sequence < next.Sequence))
            .ExecuteUpdateAsync(set => set.SetProperty(next => next.NextAttemptAt, now), cancellationToken);

    /// <summary>A command on the context's own connection, and in its transaction where there is one.</summary>
    private static async Task<DbCommand> CommandAsync(DataPlatformDbContext database, string sql, CancellationToken cancellationToken)
    {
        if (database.Database.CurrentTransaction is null)
            await database.Database.OpenConnectionAsync(cancellationToken);
        var command = database.Database.GetDbConnection().CreateCommand();
#pragma warning disable CA2100 // The constants above.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.Transaction = database.Database.CurrentTransaction?.GetDbTransaction();
        return command;
    }

    private static string Json<T>(IEnumerable<T> rows, Action<Utf8JsonWriter, T> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartArray();
            foreach (var row in rows)
            {
                json.WriteStartObject();
                write(json, row);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static void Add(this DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = $"@{name}";
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }

    /// <summary>Runs a statement and gives each row it answers with.</summary>
    /// <returns>How many rows it answered with or, where it answers with none, changed.</returns>
    private static async Task<int> RunAsync(this DbCommand command, Action<DbDataReader>? read, CancellationToken cancellationToken)
    {
        if (read is null)
            return await command.ExecuteNonQueryAsync(cancellationToken);
        var count = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        for (; await reader.ReadAsync(cancellationToken); count++)
            read(reader);
        return count;
    }

    /// <summary>What a server calls things, and how it wants them.</summary>
    private sealed class Dialect
    {
        private const string Held = """
            d."Sequence" > 1 AND EXISTS (SELECT 1 FROM "Deliveries" AS e
                WHERE e."ReservationId" = d."ReservationId" AND e."Sequence" < d."Sequence" AND e."Status" NOT IN ('Delivered', 'Discarded'))
            """;

        private static readonly Dialect PostgreSql = new()
        {
            Provider = DatabaseProvider.PostgreSql,
            Insert = """
                INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "Status", "Attempts", "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt")
                SELECT r.id, r.reservation, r.type, r.sequence, r.payload, 'Pending', 0, 0, @now, @now, @now
                FROM unnest(@ids, @reservations, @types, @sequences, @payloads) AS r (id, reservation, type, sequence, payload)
                ON CONFLICT DO NOTHING
                """,
            Lease = $"""
                WITH due AS (
                    SELECT "DeliveryId", "ReservationId", "Sequence" FROM "Deliveries"
                    WHERE "Status" = 'Pending' AND "NextAttemptAt" <= @now AND NOT EXISTS (SELECT 1 FROM "Destinations" WHERE "PausedAt" IS NOT NULL)
                    ORDER BY "NextAttemptAt" LIMIT @most FOR UPDATE SKIP LOCKED),
                judged AS (SELECT d."DeliveryId", {Held} AS held FROM due AS d)
                UPDATE "Deliveries" AS x SET
                    "LeaseId" = CASE WHEN j.held THEN NULL ELSE @lease END,
                    "LeasedUntil" = CASE WHEN j.held THEN NULL ELSE @until END,
                    "NextAttemptAt" = CASE WHEN j.held THEN @held ELSE @until END
                FROM judged AS j WHERE x."DeliveryId" = j."DeliveryId"
                RETURNING x."DeliveryId", x."LeaseId", x."Attempts", x."AttemptsBefore", x."Since", x."Payload"
                """,
            // No planner is to go through the index of what is due, which is as long as the backlog, and which statistics of a quiet hour call empty: only
            // what is pending has a lease, so "written" need not say so, and "woken" says it by what it is not.
            Write = """
                WITH r AS (
                    SELECT * FROM unnest(@ids, @leases, @statuses, @nexts, @tries, @errors, @ats, @codes, @durations)
                        AS r (id, lease, status, next, tries, error, at, code, duration)),
                written AS (
                    UPDATE "Deliveries" AS d SET
                        "Status" = r.status, "Attempts" = d."Attempts" + r.tries, "NextAttemptAt" = r.next, "LeaseId" = NULL, "LeasedUntil" = NULL,
                        "CompletedAt" = CASE WHEN r.status = 'Pending' THEN NULL ELSE @now END,
                        "LastError" = CASE WHEN r.tries = 1 THEN r.error ELSE d."LastError" END
                    FROM r WHERE d."DeliveryId" = r.id AND d."LeaseId" = r.lease
                    RETURNING d."DeliveryId", d."ReservationId", d."Sequence", d."Attempts", r.*),
                kept AS (
                    INSERT INTO "DeliveryAttempts" ("DeliveryId", "Number", "At", "StatusCode", "DurationMilliseconds", "Error")
                    SELECT w."DeliveryId", w."Attempts", w.at, w.code, w.duration, w.error FROM written AS w WHERE w.tries = 1),
                woken AS (
                    UPDATE "Deliveries" AS n SET "NextAttemptAt" = @now FROM written AS w
                    WHERE w.status = 'Delivered' AND n."ReservationId" = w."ReservationId" AND n."Sequence" > w."Sequence" AND n."Status" NOT IN ('Delivered', 'Dead', 'Discarded')
                        AND n."LeaseId" IS NULL AND n."NextAttemptAt" > @now AND n."Attempts" = n."AttemptsBefore"
                    RETURNING n."DeliveryId")
                SELECT w."DeliveryId", (SELECT count(*) FROM woken) FROM written AS w
                """
        };

        private static readonly Dialect Sqlite = new()
        {
            Provider = DatabaseProvider.Sqlite,
            Insert = """
                INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "Status", "Attempts", "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt")
                SELECT value ->> '$.id', value ->> '$.reservation', value ->> '$.type', value ->> '$.sequence', value ->> '$.payload', 'Pending', 0, 0, @now, @now, @now
                FROM json_each(@rows) WHERE true
                ON CONFLICT DO NOTHING
                """,
            Lease = $"""
                UPDATE "Deliveries" AS d SET
                    "LeaseId" = CASE WHEN {Held} THEN NULL ELSE @lease END,
                    "LeasedUntil" = CASE WHEN {Held} THEN NULL ELSE @until END,
                    "NextAttemptAt" = CASE WHEN {Held} THEN @held ELSE @until END
                WHERE d."DeliveryId" IN (
                    SELECT c."DeliveryId" FROM "Deliveries" AS c
                    WHERE c."Status" = 'Pending' AND c."NextAttemptAt" <= @now AND NOT EXISTS (SELECT 1 FROM "Destinations" WHERE "PausedAt" IS NOT NULL)
                    ORDER BY c."NextAttemptAt" LIMIT @most)
                RETURNING "DeliveryId", "LeaseId", "Attempts", "AttemptsBefore", "Since", "Payload"
                """,
            Write = """
                UPDATE "Deliveries" AS d SET
                    "Status" = r.status, "Attempts" = d."Attempts" + r.tries, "NextAttemptAt" = r.next, "LeaseId" = NULL, "LeasedUntil" = NULL,
                    "CompletedAt" = CASE WHEN r.status = 'Pending' THEN NULL ELSE @now END,
                    "LastError" = CASE WHEN r.tries = 1 THEN r.error ELSE d."LastError" END
                FROM (SELECT value ->> '$.id' AS id, value ->> '$.lease' AS lease, value ->> '$.status' AS status, value ->> '$.next' AS next,
                    value ->> '$.tries' AS tries, value ->> '$.error' AS error FROM json_each(@rows)) AS r
                WHERE d."DeliveryId" = r.id AND d."LeaseId" = r.lease
                RETURNING "DeliveryId"
                """
        };

        private static readonly Dialect SqlServer = new()
        {
            Provider = DatabaseProvider.SqlServer,
            Insert = """
                INSERT INTO [Deliveries] ([DeliveryId], [ReservationId], [EventType], [Sequence], [Payload], [Status], [Attempts], [AttemptsBefore], [Since], [NextAttemptAt], [CreatedAt])
                SELECT r.[id], r.[reservation], r.[type], r.[sequence], r.[payload], N'Pending', 0, 0, @now, @now, @now
                FROM OPENJSON(@rows) WITH ([id] uniqueidentifier, [reservation] uniqueidentifier, [type] nvarchar(64), [sequence] int, [payload] nvarchar(max)) AS r
                WHERE NOT EXISTS (SELECT 1 FROM [Deliveries] AS k WITH (UPDLOCK, HOLDLOCK) WHERE k.[DeliveryId] = r.[id])
                """,
            Lease = $"""
                UPDATE d SET
                    [LeaseId] = CASE WHEN {Held} THEN NULL ELSE @lease END,
                    [LeasedUntil] = CASE WHEN {Held} THEN NULL ELSE @until END,
                    [NextAttemptAt] = CASE WHEN {Held} THEN @held ELSE @until END
                OUTPUT INSERTED.[DeliveryId], INSERTED.[LeaseId], INSERTED.[Attempts], INSERTED.[AttemptsBefore], INSERTED.[Since], INSERTED.[Payload]
                FROM [Deliveries] AS d
                WHERE d.[DeliveryId] IN (
                    SELECT TOP (@most) c.[DeliveryId] FROM [Deliveries] AS c WITH (UPDLOCK, READPAST, ROWLOCK)
                    WHERE c.[Status] = N'Pending' AND c.[NextAttemptAt] <= @now AND NOT EXISTS (SELECT 1 FROM [Destinations] AS p WHERE p.[PausedAt] IS NOT NULL)
                    ORDER BY c.[NextAttemptAt])
                """,
            Write = """
                UPDATE d SET
                    [Status] = r.[status], [Attempts] = d.[Attempts] + r.[tries], [NextAttemptAt] = r.[next], [LeaseId] = NULL, [LeasedUntil] = NULL,
                    [CompletedAt] = CASE WHEN r.[status] = N'Pending' THEN NULL ELSE @now END,
                    [LastError] = CASE WHEN r.[tries] = 1 THEN r.[error] ELSE d.[LastError] END
                OUTPUT INSERTED.[DeliveryId]
                FROM [Deliveries] AS d
                INNER JOIN OPENJSON(@rows) WITH ([id] uniqueidentifier, [lease] uniqueidentifier, [status] nvarchar(16), [next] datetimeoffset, [tries] int, [error] nvarchar(500)) AS r
                    ON r.[id] = d.[DeliveryId]
                WHERE d.[LeaseId] = r.[lease]
                """
        };

        public required DatabaseProvider Provider { get; init; }

        public required string Insert { get; init; }

        public required string Lease { get; init; }

        public required string Write { get; init; }

        public bool HasArrays => Provider == DatabaseProvider.PostgreSql;

        public static Dialect Of(DataPlatformDbContext database) => database switch
        {
            PostgreSqlDataPlatformDbContext => PostgreSql,
            SqliteDataPlatformDbContext => Sqlite,
            _ => SqlServer
        };

        // As EF Core writes them there: SQLite keeps text, and compares it as that.
        public string Id(Guid id) => Provider == DatabaseProvider.Sqlite ? id.ToString().ToUpperInvariant() : id.ToString();

        // As an object each, or the one would become the other.
        public object Instant(DateTimeOffset instant) => Provider == DatabaseProvider.Sqlite ? (object)instant.UtcDateTime : instant;

        public string Text(DateTimeOffset instant) => Provider == DatabaseProvider.Sqlite
            ? instant.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture)
            : instant.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffffzzz", CultureInfo.InvariantCulture);

        public DateTimeOffset InstantOf(DbDataReader row, int column) => Provider == DatabaseProvider.Sqlite
            ? new DateTimeOffset(DateTime.SpecifyKind(row.GetDateTime(column), DateTimeKind.Utc))
            : row.GetFieldValue<DateTimeOffset>(column);
    }
}
