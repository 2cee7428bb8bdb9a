using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Http;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Deletes reservations after their retention, with their history, in bounded batches. <see cref="ReservationsDeleted"/> leaves with the
/// commit, so the other services delete only what no command can concern any more. A paid reservation stays until the data platform has
/// its events and its concert has started.
/// </summary>
public sealed class FinishedCleaner(
    IServiceScopeFactory scopes, ScheduleClient schedules, DeliveryClient deliveries, IOptions<ReservationOptions> options,
    TimeProvider clock, ILogger<FinishedCleaner> logger)
    : PeriodicTask("Deleting reservations after their retention", options.Value.CleaningInterval, clock, logger)
{
    // The ids of a batch are in one message and one request.
    private const int MaxBatch = 1_000;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var before = Clock.GetUtcNow() - options.Value.Retention;
        foreach (var state in new[] { ReservationStates.Failed, ReservationStates.Cancelled })
        {
            await DeleteAsync(before, (database, after, count) => Unpaid(database, state, before, after, count),
                page => Task.FromResult(page.ConvertAll(row => row.ReservationId)), cancellationToken);
        }
        var hasStarted = new Dictionary<int, bool>();
        await DeleteAsync(before, (database, after, count) => Paid(database, before, after, count),
            page => FindDeletableAsync(page, hasStarted, cancellationToken), cancellationToken);
    }

    /// <summary>The query of paid reservations. The index of the outcomes serves it.</summary>
    internal static IQueryable<EndedReservation> Paid(
        OrchestratorDbContext database, DateTimeOffset before, InstantKey<Guid>? after, int count)
    {
        var rows = database.Reservations.Where(row => row.ConfirmedAt != null && row.UpdatedAt < before
            && (row.CurrentState == ReservationStates.Confirmed || row.CurrentState == ReservationStates.Cancelled));
        if (after is var (at, id))
            // The first condition bounds the index scan.
            rows = rows.Where(row => row.UpdatedAt >= at && (row.UpdatedAt > at || row.CorrelationId > id));
        return rows.OrderBy(row => row.UpdatedAt).ThenBy(row => row.CorrelationId).Take(count)
            .Select(row => new EndedReservation(row.CorrelationId, row.UpdatedAt, row.UpdatedAt, row.ScheduleId));
    }

    /// <summary>
    /// The query of reservations that ended otherwise and may have moved points. An index of the operators' list serves it, in the order
    /// of the requests. An outcome is never earlier than its request; the deletion checks the outcome.
    /// </summary>
    internal static IQueryable<EndedReservation> Unpaid(
        OrchestratorDbContext database, string state, DateTimeOffset before, InstantKey<Guid>? after, int count)
    {
        var rows = database.Reservations.Where(row => row.CurrentState == state && row.Deadline == null && row.ConfirmedAt == null
            && row.CreatedAt < before);
        if (after is var (at, id))
            rows = rows.Where(row => row.CreatedAt >= at && (row.CreatedAt > at || row.CorrelationId > id));
        return rows.OrderBy(row => row.CreatedAt).ThenBy(row => row.CorrelationId).Take(count)
            .Select(row => new EndedReservation(row.CorrelationId, row.CreatedAt, row.UpdatedAt, row.ScheduleId));
    }

    private async Task DeleteAsync(
        DateTimeOffset before, Func<OrchestratorDbContext, InstantKey<Guid>?, int, IQueryable<EndedReservation>> query,
        Func<List<EndedReservation>, Task<List<Guid>>> findDeletable, CancellationToken cancellationToken)
    {
        var batch = Math.Min(options.Value.CleaningBatch, MaxBatch);
        List<EndedReservation> page;
        InstantKey<Guid>? after = null;
        do
        {
            page = await Clock.ThenRestAsync(() => DeletePageAsync(after), cancellationToken);
            // Rows that have to stay are skipped, so they do not keep later ones from being deleted.
            if (page is [.., var last])
                after = new InstantKey<Guid>(last.At, last.ReservationId);
        }
        while (page.Count == batch);

        async Task<List<EndedReservation>> DeletePageAsync(InstantKey<Guid>? from)
        {
            await using var scope = scopes.CreateAsyncScope();
            var rows = await query(scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>(), from, batch)
                .ToListAsync(cancellationToken);
            if (rows.Count > 0 && await findDeletable(rows) is { Count: > 0 } ids)
                await DeleteAsync(scope.ServiceProvider, ids, before, cancellationToken);
            return rows;
        }
    }

    private static async Task DeleteAsync(
        IServiceProvider services, List<Guid> ids, DateTimeOffset before, CancellationToken cancellationToken)
    {
        var database = services.GetRequiredService<OrchestratorDbContext>();
        // A failure ends the transaction, so no savepoint is needed.
        database.Database.AutoSavepointsEnabled = false;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        // An operator may have cancelled one meanwhile. Such a row stays.
        await database.Reservations.Where(row => ids.Contains(row.CorrelationId) && row.UpdatedAt < before && row.Deadline == null)
            .ExecuteDeleteAsync(cancellationToken);
        var left = await database.Reservations.Where(row => ids.Contains(row.CorrelationId)).Select(row => row.CorrelationId)
            .ToListAsync(cancellationToken);
        await services.GetRequiredService<IPublishEndpoint>().Publish(new ReservationsDeleted([.. ids.Except(left)]), cancellationToken);
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task<List<Guid>> FindDeletableAsync(
        List<EndedReservation> page, Dictionary<int, bool> hasStarted, CancellationToken cancellationToken)
    {
        var check = await deliveries.CheckAsync(page.ConvertAll(row => row.ReservationId), cancellationToken);
        if (check?.ReconciledTo is not { } known)
            return [];
        var undelivered = check.Undelivered.ToHashSet();
        var now = Clock.GetUtcNow();
        var deletable = new List<Guid>();
        foreach (var row in page.Where(row => row.UpdatedAt <= known && !undelivered.Contains(row.ReservationId)))
        {
            if (!hasStarted.TryGetValue(row.ScheduleId, out var isOver))
            {
                var start = await schedules.FindStartAsync(row.ScheduleId, cancellationToken);
                hasStarted[row.ScheduleId] = isOver = start <= now;
            }
            if (isOver)
                deletable.Add(row.ReservationId);
        }
        return deletable;
    }
}

/// <summary>A reservation after its retention.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="At">Its instant in the order of the query.</param>
/// <param name="UpdatedAt">The time of its outcome.</param>
/// <param name="ScheduleId">Its schedule.</param>
internal sealed record EndedReservation(Guid ReservationId, DateTimeOffset At, DateTimeOffset UpdatedAt, int ScheduleId);
