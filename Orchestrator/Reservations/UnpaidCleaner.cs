using System.Linq.Expressions;
using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Deletes reservations that were refused or ended without payment, with their history: the old ones, and all but the newest of each
/// customer. They moved no points, so the books do not need them. An operator may have cancelled a reservation while it was being paid,
/// so those stay for <see cref="FinishedCleaner"/>.
/// </summary>
public sealed class UnpaidCleaner(
    IServiceScopeFactory scopes, IOptions<ReservationOptions> options, TimeProvider clock, ILogger<UnpaidCleaner> logger)
    : PeriodicTask("Deleting reservations that ended unpaid", options.Value.CleaningInterval, clock, logger)
{
    // The condition of the index filter in OrchestratorDbContext.
    private static readonly Expression<Func<Reservation, bool>> EndedUnpaid = row =>
        (row.CurrentState == ReservationStates.Rejected || row.CurrentState == ReservationStates.Expired
            || row.CurrentState == ReservationStates.Cancelled)
        && row.ConfirmedAt == null;

    private static readonly Expression<Func<Reservation, bool>> MovedNoPoints = row =>
        row.FailureCode != RefusalCodes.CancelledByOperator && row.FailureCode != RefusalCodes.ScheduleCancelled
        // Seats refused the hold.
        || row.CurrentState == ReservationStates.Rejected;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        await DeleteOldAsync(cancellationToken);
        await DeleteSurplusAsync(cancellationToken);
    }

    private Task<int> DeleteOldAsync(CancellationToken cancellationToken)
    {
        var before = Clock.GetUtcNow() - options.Value.RefusedRetention;
        var batch = options.Value.CleaningBatch;
        return scopes.DeleteInBatchesAsync<OrchestratorDbContext>(Clock, batch, database => database.Reservations
            .Where(EndedUnpaid).Where(MovedNoPoints).Where(row => row.CreatedAt < before)
            .OrderBy(row => row.CreatedAt).Take(batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
    }

    private async Task DeleteSurplusAsync(CancellationToken cancellationToken)
    {
        var kept = options.Value.MaxUnpaidKept;
        var batch = options.Value.CleaningBatch;
        await using var scope = scopes.CreateAsyncScope();
        var customers = await scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>().Reservations.Where(EndedUnpaid)
            .GroupBy(row => row.UserId).Where(rows => rows.Count() > kept).Select(rows => rows.Key).ToListAsync(cancellationToken);
        foreach (var userId in customers)
        {
            await scopes.DeleteInBatchesAsync<OrchestratorDbContext>(Clock, batch, async database =>
            {
                var ids = await database.Reservations.Where(EndedUnpaid).Where(MovedNoPoints).Where(row => row.UserId == userId)
                    .OrderByDescending(row => row.CreatedAt).Skip(kept).Take(batch)
                    .Select(row => row.CorrelationId).ToListAsync(cancellationToken);
                return await database.Reservations.Where(row => ids.Contains(row.CorrelationId)).ExecuteDeleteAsync(cancellationToken);
            }, cancellationToken);
        }
    }
}
