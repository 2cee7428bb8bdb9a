using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Seats.Background;

/// <summary>
/// Deletes old decisions that hold no seats, in bounded batches. A late copy of their commands is still refused, by the age of its
/// reservation.
/// </summary>
public sealed class SeatHoldCleaner(
    IServiceScopeFactory scopes, IOptions<SeatsOptions> options, TimeProvider clock, ILogger<SeatHoldCleaner> logger)
    : PeriodicTask("Deleting old refused and released holds", options.Value.CleaningInterval, clock, logger)
{
    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var before = Clock.GetUtcNow() - options.Value.RefusedRetention;
        var batch = options.Value.CleaningBatch;
        return scopes.DeleteInBatchesAsync<SeatsDbContext>(Clock, batch, database => database.SeatHolds
            .Where(hold => (hold.Status == SeatHoldStatus.Refused || hold.Status == SeatHoldStatus.Released) && hold.UpdatedAt < before)
            .OrderBy(hold => hold.UpdatedAt).Take(batch).ExecuteDeleteAsync(cancellationToken), cancellationToken);
    }
}
