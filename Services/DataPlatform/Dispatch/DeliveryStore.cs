using System.Data.Common;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch.Dialects;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>Inserts, leases, updates and wakes deliveries, many rows per statement.</summary>
internal static class DeliveryStore
{
    /// <summary>
    /// How long a delivery is postponed that waits for an earlier event. It becomes due sooner when that event is delivered.
    /// </summary>
    public static readonly TimeSpan BlockedDelay = TimeSpan.FromSeconds(10);

    /// <summary>Inserts the deliveries that are missing, in one statement. Existing rows stay unchanged.</summary>
    /// <returns>The ids of the inserted rows.</returns>
    public static async Task<HashSet<Guid>> InsertMissingAsync(
        this DataPlatformDbContext database, IEnumerable<Delivery> deliveries, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // Every replica locks rows in this order. A group may contain the same delivery twice.
        var rows = deliveries.DistinctBy(row => row.DeliveryId).OrderBy(row => row.DeliveryId).ToArray();
        var dialect = DeliveryDialect.Of(database);
        await using var command = await CommandAsync(database, dialect.Insert, cancellationToken);
        command.AddParameter("now", dialect.InstantValue(now));
        dialect.AddDeliveries(command, rows);
        var inserted = new HashSet<Guid>();
        await command.RunAsync(row => inserted.Add(row.GetGuid(0)), cancellationToken);
        return inserted;
    }

    /// <summary>
    /// Leases due deliveries, oldest due first, unless the destination is paused. Skips rows that another replica is leasing. Postpones
    /// rows that wait for an earlier event of their reservation.
    /// </summary>
    /// <returns>The number of rows seen, and the leases.</returns>
    public static async Task<(int Seen, List<DeliveryLease> Leases)> LeaseAsync(
        this DataPlatformDbContext database, int maxCount, DateTimeOffset now, TimeSpan duration, CancellationToken cancellationToken)
    {
        var leaseId = Guid.CreateVersion7(now);
        var until = now + duration;
        var leases = new List<DeliveryLease>();
        var dialect = DeliveryDialect.Of(database);
        await using var command = await CommandAsync(database, dialect.Lease, cancellationToken);
        command.AddParameter("max", maxCount);
        command.AddParameter("now", dialect.InstantValue(now));
        command.AddParameter("lease", leaseId);
        command.AddParameter("until", dialect.InstantValue(until));
        command.AddParameter("recheck", dialect.InstantValue(now + BlockedDelay));
        var seen = await command.RunAsync(
            row =>
            {
                if (!row.IsDBNull(1))
                    leases.Add(new DeliveryLease(row.GetGuid(0), leaseId, until, row.GetInt32(2), row.GetInt32(3),
                        dialect.ReadInstant(row, 4), row.GetString(5), row.IsDBNull(6) ? null : row.GetString(6)));
            },
            cancellationToken);
        return (seen, leases);
    }

    /// <summary>The text of the lease statement, for tests and measurements of its query plan.</summary>
    public static string LeaseText(DataPlatformDbContext database) => DeliveryDialect.Of(database).Lease;

    /// <summary>
    /// Writes outcomes whose lease is still valid, and records their attempts. Each delivered event makes the next event of its
    /// reservation due.
    /// </summary>
    /// <returns>The deliveries that were updated, and how many became due.</returns>
    public static async Task<(HashSet<Guid> Written, int Woken)> WriteAsync(
        this DataPlatformDbContext database, IReadOnlyList<DeliveryOutcome> group, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // Of two outcomes of one delivery, only that of the newer lease can count.
        var outcomes = group.OrderBy(outcome => outcome.Lease.DeliveryId).ThenByDescending(outcome => outcome.Lease.LeasedUntil)
            .DistinctBy(outcome => outcome.Lease.DeliveryId).ToArray();
        var written = new HashSet<Guid>();
        var woken = 0;
        var dialect = DeliveryDialect.Of(database);
        await using (var command = await CommandAsync(database, dialect.Write, cancellationToken))
        {
            command.AddParameter("now", dialect.InstantValue(now));
            dialect.AddOutcomes(command, outcomes);
            await command.RunAsync(
                row =>
                {
                    written.Add(row.GetGuid(0));
                    // Each row repeats the total.
                    woken = dialect.WriteIsComplete ? (int)row.GetInt64(1) : 0;
                },
                cancellationToken);
        }
        if (!dialect.WriteIsComplete)
            woken = await CompleteWriteAsync(database, outcomes, written, now, cancellationToken);
        return (written, woken);
    }

    /// <summary>Makes the deliveries due that waited for the given ones.</summary>
    public static Task<int> WakeAsync(this DataPlatformDbContext database, List<Guid> done, DateTimeOffset now,
        CancellationToken cancellationToken) =>
        database.Deliveries
            .Where(next => next.Status == DeliveryStatus.Pending && next.Sequence > 1 && next.LeaseId == null && next.NextAttemptAt > now
                && next.Attempts == next.AttemptsBefore
                && database.Deliveries.Any(first => done.Contains(first.DeliveryId) && first.ReservationId == next.ReservationId
                    && first.Sequence < next.Sequence))
            .ExecuteUpdateAsync(set => set.SetProperty(next => next.NextAttemptAt, now), cancellationToken);

    // PostgreSQL does all of this in its write statement.
    private static async Task<int> CompleteWriteAsync(
        DataPlatformDbContext database, DeliveryOutcome[] outcomes, HashSet<Guid> written, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var accepted = outcomes.Where(outcome => written.Contains(outcome.Lease.DeliveryId)).ToList();
        if (accepted.Exists(outcome => outcome.Attempt is not null))
        {
            database.Attempts.AddRange(accepted.Select(outcome => outcome.Attempt).OfType<DeliveryAttempt>());
            await database.SaveChangesAsync(cancellationToken);
            database.ChangeTracker.Clear();
        }
        var delivered = accepted.Where(outcome => outcome.Status == DeliveryStatus.Delivered)
            .Select(outcome => outcome.Lease.DeliveryId).ToList();
        return delivered.Count == 0 ? 0 : await database.WakeAsync(delivered, now, cancellationToken);
    }

    // The command joins the context's current transaction, if it has one.
    private static async Task<DbCommand> CommandAsync(DataPlatformDbContext database, string sql, CancellationToken cancellationToken)
    {
        if (database.Database.CurrentTransaction is null)
            await database.Database.OpenConnectionAsync(cancellationToken);
        var command = database.Database.GetDbConnection().CreateCommand();
#pragma warning disable CA2100 // All callers pass constants of the dialects.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.Transaction = database.Database.CurrentTransaction?.GetDbTransaction();
        return command;
    }

    /// <summary>Runs a statement and passes each returned row to <paramref name="read"/>.</summary>
    /// <returns>The number of returned rows.</returns>
    private static async Task<int> RunAsync(this DbCommand command, Action<DbDataReader> read, CancellationToken cancellationToken)
    {
        var count = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        for (; await reader.ReadAsync(cancellationToken); count++)
            read(reader);
        return count;
    }
}
