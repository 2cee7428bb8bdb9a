using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Admission;

/// <summary>
/// Offers passes to the next entries of each room. All replicas run it without a lease: the one that moves
/// <see cref="WaitingRoom.NextTickAt"/> admits. A replica that does not know whether customers can book only ends what has expired, and
/// leaves the tick to the others. An offer takes a slot only until it expires, so absent customers cannot block a room.
/// </summary>
internal sealed class AdmissionLoop(
    IServiceScopeFactory scopes, IOptions<QueueOptions> options, RoomDescriber rooms, BookingWatch booking, GatewayAnnouncer announcer,
    QueueMetrics metrics, TimeProvider clock, ILogger<AdmissionLoop> logger)
    : PeriodicTask("Admitting customers", options.Value.EffectiveTickInterval, clock, logger)
{
    // The time constant of the measured rate.
    private const double RateSeconds = 60;

    private readonly TimeProvider _clock = clock;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        List<int> due;
        await using (var scope = scopes.CreateAsyncScope())
        {
            var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
            var now = _clock.GetUtcNow();
            var admits = booking.IsOpen;
            due = await database.Rooms
                .Where(room => room.NextTickAt <= now && ((admits && room.NextNumber > room.Serving + 1 && room.SaleClosesAt > now)
                    || database.Entries.Any(entry => entry.ConcertId == room.ConcertId && entry.SlotUntil <= now
                        && (entry.Status == QueueEntryStatus.Offered || entry.Status == QueueEntryStatus.Active))))
                .OrderBy(room => room.ConcertId).Select(room => room.ConcertId)
                .ToListAsync(cancellationToken);
        }
        foreach (var concertId in due)
        {
            await using var scope = scopes.CreateAsyncScope();
            await AdmitAsync(scope.ServiceProvider.GetRequiredService<QueueDbContext>(), concertId, cancellationToken);
        }
    }

    private async Task AdmitAsync(QueueDbContext database, int concertId, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var now = _clock.GetUtcNow();
        // The update also locks the room. It finds no row if another replica was first.
        var locked = await database.Rooms.Where(room => room.ConcertId == concertId && room.NextTickAt <= now)
            .ExecuteUpdateAsync(set => set.SetProperty(room => room.NextTickAt, room => room.NextTickAt), cancellationToken);
        if (locked == 0)
            return;
        var room = await database.Rooms.SingleAsync(row => row.ConcertId == concertId, cancellationToken);
        var settings = rooms.SettingsOf(room);
        var admission = rooms.AdmissionOf(room, now);
        if (admission != QueueAdmission.Suspended)
            room.NextTickAt = now + settings.Interval;
        if (admission == QueueAdmission.NotOpenYet && room.SaleOpensAt < room.NextTickAt)
            room.NextTickAt = room.SaleOpensAt;

        var entries = database.Entries.Where(entry => entry.ConcertId == concertId);
        var expired = await entries.Admitted().Where(entry => entry.SlotUntil <= now).ExecuteUpdateAsync(
            set => set.SetProperty(entry => entry.Status, QueueEntryStatus.Expired)
                .SetProperty(entry => entry.SlotUntil, (DateTimeOffset?)null),
            cancellationToken);
        var admitted = 0;
        if (admission == QueueAdmission.Open && room.NextNumber > room.Serving + 1)
        {
            var free = settings.Capacity - await entries.CountAsync(entry => entry.SlotUntil > now, cancellationToken);
            admitted = await OfferAsync(entries, room, settings, Math.Min(settings.BatchSize, free), now, cancellationToken);
        }
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);

        if (room.ChangedAt == now)
            announcer.Announce(rooms.Describe(room, now));
        metrics.Expired.Add(expired, QueueMetrics.Of(concertId));
        metrics.Admitted.Add(admitted, QueueMetrics.Of(concertId));
    }

    private static async Task<int> OfferAsync(
        IQueryable<QueueEntry> entries, WaitingRoom room, RoomSettings settings, int max, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var elapsed = now - (room.RatedAt ?? now);
        room.RatedAt = now;
        if (max <= 0)
        {
            UpdateRate(room, settings, elapsed, 0);
            return 0;
        }
        var serving = room.Serving;
        var claimUntil = now + settings.ClaimWindow;
        var waiting = entries.Where(entry => entry.Status == QueueEntryStatus.Waiting && entry.Number > serving);
        var next = await waiting.OrderBy(entry => entry.Number).Take(max).Select(entry => entry.Number).ToListAsync(cancellationToken);
        if (next.Count > 0)
        {
            var last = next[^1];
            room.Gaps = GapList.AfterAdmission(room.Gaps, last, next);
            await waiting.Where(entry => entry.Number <= last).ExecuteUpdateAsync(
                set => set
                    .SetProperty(entry => entry.Status, QueueEntryStatus.Offered)
                    .SetProperty(entry => entry.OfferedAt, now)
                    .SetProperty(entry => entry.ClaimUntil, claimUntil)
                    .SetProperty(entry => entry.SlotUntil, claimUntil + ClockSkew.Tolerance),
                cancellationToken);
            room.Serving = last;
        }
        if (next.Count < max)
        {
            // All other numbers have left the line, so the next customer is the first.
            room.Serving = room.NextNumber - 1;
            room.Gaps = null;
        }
        else
        {
            // An empty line would measure how many customers came, not how fast they are admitted.
            UpdateRate(room, settings, elapsed, next.Count);
        }
        room.Advance(now);
        return next.Count;
    }

    // Time without admission counts at most two intervals, so the rate survives a pause.
    private static void UpdateRate(WaitingRoom room, RoomSettings settings, TimeSpan elapsed, int admitted)
    {
        var seconds = Math.Clamp(elapsed.TotalSeconds, 0, 2 * settings.Interval.TotalSeconds);
        if (seconds <= 0)
            return;
        var before = room.Rate ?? (settings.BatchSize / settings.Interval.TotalSeconds);
        room.Rate = before + ((1 - Math.Exp(-seconds / RateSeconds)) * ((admitted / seconds) - before));
    }
}
