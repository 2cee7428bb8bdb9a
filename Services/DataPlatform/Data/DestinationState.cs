using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.DataPlatform.Data;

/// <summary>Pauses and resumes the destination for all replicas, and records who did so.</summary>
internal static class DestinationState
{
    /// <summary>The target of these actions.</summary>
    public const string Target = "deliveries/destination";

    /// <returns>Whether this call paused it.</returns>
    public static async Task<bool> PauseAsync(this DataPlatformDbContext database, string by, string reason, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var why = reason.Length <= DataPlatformDbContext.MaxErrorLength ? reason : reason[..DataPlatformDbContext.MaxErrorLength];
        var changed = await database.Destinations.Where(row => row.PausedAt == null).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.PausedAt, now).SetProperty(row => row.PausedBy, by).SetProperty(row => row.PauseReason, why),
            cancellationToken);
        await database.RecordAsync("Pause", by, why, changed, now, cancellationToken);
        return changed > 0;
    }

    /// <returns>Whether this call resumed it.</returns>
    public static async Task<bool> ResumeAsync(this DataPlatformDbContext database, string by, string reason, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var changed = await database.Destinations.Where(row => row.PausedAt != null).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.PausedAt, (DateTimeOffset?)null).SetProperty(row => row.PausedBy, (string?)null)
                .SetProperty(row => row.PauseReason, (string?)null),
            cancellationToken);
        // Deliveries whose failures did not count are due now.
        await database.Deliveries
            .Where(row => row.Status == DeliveryStatus.Pending && row.LeaseId == null && row.NextAttemptAt > now && row.Attempts > 0
                && row.Attempts == row.AttemptsBefore)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.NextAttemptAt, now), cancellationToken);
        await database.RecordAsync("Resume", by, reason, changed, now, cancellationToken);
        return changed > 0;
    }

    private static async Task RecordAsync(
        this DataPlatformDbContext database, string kind, string by, string reason, int changed, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        if (changed == 0)
            return;
        database.Actions.Add(new OperatorAction
        {
            ActionId = Guid.CreateVersion7(now),
            At = now,
            Operator = by,
            Action = kind,
            Target = Target,
            Reason = reason,
            Before = OperatorAction.Describe(new { paused = kind != "Pause" }),
            After = OperatorAction.Describe(new { paused = kind == "Pause" })
        });
        await database.SaveChangesAsync(cancellationToken);
    }
}
