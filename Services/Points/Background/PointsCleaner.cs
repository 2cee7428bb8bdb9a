using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Points.Background;

/// <summary>
/// Deletes old charge keys and refused deductions, in bounded batches. A late copy of a deleted command is still refused, by the age of
/// its reservation.
/// </summary>
public sealed class PointsCleaner(
    IServiceScopeFactory scopes, IOptions<PointsOptions> options, TimeProvider clock, ILogger<PointsCleaner> logger)
    : PeriodicTask("Deleting old charge keys and refused deductions", options.Value.CleaningInterval, clock, logger)
{
    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var now = Clock.GetUtcNow();
        var keysBefore = now - options.Value.ChargeKeyRetention;
        var refusalsBefore = now - options.Value.RefusedRetention;
        var batch = options.Value.CleaningBatch;
        await scopes.DeleteInBatchesAsync<PointsDbContext>(Clock, batch, database => database.ChargeKeys
            .Where(key => key.CreatedAt < keysBefore)
            .OrderBy(key => key.CreatedAt).Take(batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
        await scopes.DeleteInBatchesAsync<PointsDbContext>(Clock, batch, database => database.PointDeductions
            .Where(deduction => deduction.Status == DeductionStatus.Refused && deduction.CreatedAt < refusalsBefore)
            .OrderBy(deduction => deduction.CreatedAt).Take(batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
    }
}
