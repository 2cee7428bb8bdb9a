using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Domain;

/// <summary>
/// Lets people in. Every replica looks whether a room's time has come; the one that moves <see cref="QueueCounter.NextTickAt"/> admits, and
/// there is no lease to lose. An offer takes a slot for as long as it can be taken, so nobody can jam the door by staying away.
/// </summary>
internal sealed partial class Admissions(
    IServiceScopeFactory scopes, IOptions<QueueOptions> options, Rooms rooms, Announcements announcements, QueueMetrics metrics, TimeProvider clock,
    ILogger<Admissions> logger) : BackgroundService
{
    // How far back the measured rate looks.
    private const double RateSeconds = 60;

    /// <summary>Does what is due in every room.</summary>
    public async Task TickAsync(CancellationToken cancellationToken)
    {
        List<int> due;
        await using (var scope = scopes.CreateAsyncScope())
        {
            var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
            var now = clock.GetUtcNow();
            due = await database.Counters
                .Where(room => room.NextTickAt <= now && ((room.NextNumber > room.Serving + 1 && room.SaleClosesAt > now)
                    || database.Tokens.Any(token => token.ConcertId == room.ConcertId && token.SlotUntil <= now
                        && (token.Status == QueueTokenStatus.Offered || token.Status == QueueTokenStatus.Active))))
                .OrderBy(room => room.ConcertId).Select(room => room.ConcertId)
                .ToListAsync(cancellationToken);
        }
        foreach (var concertId in due)
        {
            await using var scope = scopes.CreateAsyncScope();
            await TickAsync(scope.ServiceProvider.GetRequiredService<QueueDbContext>(), concertId, cancellationToken);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.TickInterval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await TickAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogNotTicked(exception.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task TickAsync(QueueDbContext database, int concertId, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var now = clock.GetUtcNow();
        // Also takes the room. Somebody else who was faster has moved the time on.
        var taken = await database.Counters.Where(room => room.ConcertId == concertId && room.NextTickAt <= now)
            .ExecuteUpdateAsync(set => set.SetProperty(room => room.NextTickAt, now), cancellationToken);
        if (taken == 0)
            return;
        var room = await database.Counters.SingleAsync(row => row.ConcertId == concertId, cancellationToken);
        var settings = rooms.SettingsOf(room);
        var admission = rooms.AdmissionOf(room, now);
        room.NextTickAt = now + settings.Interval;
        if (admission == QueueAdmission.NotOpenYet && room.SaleOpensAt < room.NextTickAt)
            room.NextTickAt = room.SaleOpensAt;

        var tokens = database.Tokens.Where(token => token.ConcertId == concertId);
        var expired = await tokens.LetIn().Where(token => token.SlotUntil <= now).ExecuteUpdateAsync(
            set => set.SetProperty(token => token.Status, QueueTokenStatus.Expired).SetProperty(token => token.SlotUntil, (DateTimeOffset?)null),
            cancellationToken);
        var admitted = 0;
        if (admission == QueueAdmission.Open && room.NextNumber > room.Serving + 1)
        {
            var free = settings.Capacity - await tokens.CountAsync(token => token.SlotUntil > now, cancellationToken);
            admitted = await OfferAsync(tokens, room, settings, Math.Min(settings.BatchSize, free), now, cancellationToken);
        }
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);

        if (room.ChangedAt == now)
            announcements.Announce(rooms.Describe(room, now));
        metrics.Expired.Add(expired, QueueMetrics.Of(concertId));
        metrics.Admitted.Add(admitted, QueueMetrics.Of(concertId));
    }

    private static async Task<int> OfferAsync(
        IQueryable<QueueToken> tokens, QueueCounter room, RoomSettings settings, int most, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var waited = now - (room.RatedAt ?? now);
        room.RatedAt = now;
        if (most <= 0)
        {
            Measure(0);
            return 0;
        }
        var (serving, claimUntil) = (room.Serving, now + settings.ClaimWindow);
        var waiting = tokens.Where(token => token.Status == QueueTokenStatus.Waiting && token.Number > serving);
        var next = await waiting.OrderBy(token => token.Number).Take(most).Select(token => token.Number).ToListAsync(cancellationToken);
        if (next.Count > 0)
        {
            var last = next[^1];
            await waiting.Where(token => token.Number <= last).ExecuteUpdateAsync(
                set => set
                    .SetProperty(token => token.Status, QueueTokenStatus.Offered)
                    .SetProperty(token => token.ClaimUntil, claimUntil)
                    .SetProperty(token => token.SlotUntil, claimUntil + Rooms.ClockSkew),
                cancellationToken);
            room.Serving = last;
        }
        // Everybody else who stood in line has left it, and whoever comes now is the first.
        if (next.Count < most)
            room.Serving = room.NextNumber - 1;
        else
            Measure(next.Count);
        room.Advance(now);
        return next.Count;

        // Only while people wait; when the line is empty the rate says how many came and not how fast it goes. After a pause it goes on from
        // where it was.
        void Measure(int people)
        {
            var seconds = Math.Clamp(waited.TotalSeconds, 0, 2 * settings.Interval.TotalSeconds);
            if (seconds > 0)
            {
                var before = room.Rate ?? (settings.BatchSize / settings.Interval.TotalSeconds);
                room.Rate = before + ((1 - Math.Exp(-seconds / RateSeconds)) * ((people / seconds) - before));
            }
        }
    }

    [LoggerMessage(5003, LogLevel.Warning, "Nobody could be let in; the next round tries again: {Reason}")]
    private partial void LogNotTicked(string reason);
}
