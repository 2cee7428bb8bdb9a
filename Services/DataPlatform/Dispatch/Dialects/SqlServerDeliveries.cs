using System.Globalization;

namespace ConcertSaga.DataPlatform.Dispatch.Dialects;

/// <summary>Reads rows with OPENJSON, which gives the columns their types.</summary>
internal sealed class SqlServerDeliveries : JsonDeliveries
{
    public override string Insert => """
        INSERT INTO [Deliveries] ([DeliveryId], [ReservationId], [EventType], [Sequence], [Payload], [TraceParent], [Status],
            [Attempts], [AttemptsBefore], [Since], [NextAttemptAt], [CreatedAt])
        OUTPUT INSERTED.[DeliveryId]
        SELECT r.[id], r.[reservation], r.[type], r.[sequence], r.[payload], r.[trace], N'Pending', 0, 0, @now, @now, @now
        FROM OPENJSON(@rows) WITH ([id] uniqueidentifier, [reservation] uniqueidentifier, [type] nvarchar(64), [sequence] int,
            [payload] nvarchar(max), [trace] nvarchar(55)) AS r
        WHERE NOT EXISTS (SELECT 1 FROM [Deliveries] AS k WITH (UPDLOCK, HOLDLOCK) WHERE k.[DeliveryId] = r.[id])
        """;

    public override string Lease => $"""
        UPDATE d SET
            [LeaseId] = CASE WHEN {Blocked} THEN NULL ELSE @lease END,
            [LeasedUntil] = CASE WHEN {Blocked} THEN NULL ELSE @until END,
            [NextAttemptAt] = CASE WHEN {Blocked} THEN @recheck ELSE @until END
        OUTPUT INSERTED.[DeliveryId], INSERTED.[LeaseId], INSERTED.[Attempts], INSERTED.[AttemptsBefore], INSERTED.[Since],
            INSERTED.[Payload], INSERTED.[TraceParent]
        FROM [Deliveries] AS d
        WHERE d.[DeliveryId] IN (
            SELECT TOP (@max) c.[DeliveryId] FROM [Deliveries] AS c WITH (UPDLOCK, READPAST, ROWLOCK)
            WHERE c.[Status] = N'Pending' AND c.[NextAttemptAt] <= @now
                AND NOT EXISTS (SELECT 1 FROM [Destinations] AS p WHERE p.[PausedAt] IS NOT NULL)
            ORDER BY c.[NextAttemptAt])
        """;

    public override string Write => """
        UPDATE d SET
            [Status] = r.[status], [Attempts] = d.[Attempts] + r.[tries], [AttemptsBefore] = r.[before], [Since] = r.[since],
            [NextAttemptAt] = r.[next], [LeaseId] = NULL, [LeasedUntil] = NULL,
            [CompletedAt] = CASE WHEN r.[status] = N'Pending' THEN NULL ELSE @now END,
            [LastError] = CASE WHEN r.[tries] = 1 THEN r.[error] ELSE d.[LastError] END
        OUTPUT INSERTED.[DeliveryId]
        FROM [Deliveries] AS d
        INNER JOIN OPENJSON(@rows) WITH ([id] uniqueidentifier, [lease] uniqueidentifier, [status] nvarchar(16), [next] datetimeoffset,
            [before] int, [since] datetimeoffset, [tries] int, [error] nvarchar(500)) AS r
            ON r.[id] = d.[DeliveryId]
        WHERE d.[LeaseId] = r.[lease]
        """;

    protected override string IdText(Guid id) => id.ToString();

    protected override string InstantText(DateTimeOffset instant) =>
        instant.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffffzzz", CultureInfo.InvariantCulture);
}
