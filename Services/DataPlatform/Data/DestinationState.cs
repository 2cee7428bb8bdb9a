using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Data;

/// <summary>Stops and starts the destination for all replicas, and writes down who did.</summary>
internal static class DestinationState
{
    /// <returns>Whether it was not paused before.</returns>
    public static async Task<bool> PauseAsync(this DataPlatformDbContext database, string by, string reason, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var why = reason.Length <= DataPlatformDbContext.MostError ? reason : reason[..DataPlatformDbContext.MostError];
        var changed = await database.Destinations.Where(one => one.PausedAt == null).ExecuteUpdateAsync(
            set => set.SetProperty(one => one.PausedAt, now).SetProperty(one => one.PausedBy, by).SetProperty(one => one.PauseReason, why),
            cancellationToken);
        await database.RecordAsync("Pause", by, why, changed, now, cancellationToken);
        return changed > 0;
    }

    /// <returns>Whether it was paused before.</returns>
    public static async Task<bool> ResumeAsync(this DataPlatformDbContext database, string by, string reason, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var changed = await database.Destinations.Where(one => one.PausedAt != null).ExecuteUpdateAsync(
            set => set.SetProperty(one => one.PausedAt, (DateTimeOffset?)null).SetProperty(one => one.PausedBy, (string?)null).SetProperty(one => one.PauseReason, (string?)null),
            cancellationToken);
        await database.RecordAsync("Resume", by, reason, changed, now, cancellationToken);
        return changed > 0;
    }

    private static async Task RecordAsync(
        this DataPlatformDbContext database, string kind, string by, string reason, int changed, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (changed == 0)
            return;
        database.Actions.Add(new DeliveryAction { ActionId = Guid.CreateVersion7(now), Kind = kind, At = now, By = by, Reason = reason });
        await database.SaveChangesAsync(cancellationToken);
    }
}
