using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Rooms;

/// <summary>
/// Records the numbers of each open waiting room once a minute, for the last hour. Counting the entries by minute would need an index that
/// is written with each entry.
/// </summary>
public sealed class RoomSampler(IServiceScopeFactory scopes, TimeProvider clock, ILogger<RoomSampler> logger)
    : PeriodicTask("Sampling waiting rooms", TimeSpan.FromSeconds(5), clock, logger)
{
    /// <summary>How far back operators see.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromHours(1);

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        var now = Clock.GetUtcNow();
        var minute = new DateTimeOffset(now.Ticks - (now.Ticks % TimeSpan.TicksPerMinute), TimeSpan.Zero);
        var missing = await database.Rooms.AsNoTracking().Where(room => room.SaleClosesAt > now && room.NextNumber > 1
                && !database.Samples.Any(sample => sample.ConcertId == room.ConcertId && sample.At == minute))
            .Select(room => new { room.ConcertId, room.NextNumber, room.Serving }).ToListAsync(cancellationToken);
        if (missing.Count == 0)
            return;
        foreach (var room in missing)
        {
            var slotsTaken = await database.Entries.CountAsync(
                entry => entry.ConcertId == room.ConcertId && entry.SlotUntil > now, cancellationToken);
            database.Samples.Add(new RoomSample
            {
                ConcertId = room.ConcertId,
                At = minute,
                Issued = room.NextNumber - 1,
                Serving = room.Serving,
                SlotsTaken = slotsTaken
            });
        }
        try
        {
            await database.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException) when (!cancellationToken.IsCancellationRequested)
        {
            // Another replica was first. If it was another failure, the next round fails at its first statement.
            return;
        }
        // A wrong clock may have written minutes that lie ahead.
        var (first, last) = (minute - Memory, minute.AddMinutes(1));
        await database.Samples.Where(sample => sample.At < first || sample.At > last).ExecuteDeleteAsync(cancellationToken);
    }
}
