using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Gateways;

/// <summary>Announces each occupied or recently changed room every second, and logs when and why rooms are suspended.</summary>
internal sealed partial class RoomHeartbeat(
    IServiceScopeFactory scopes, GatewayAnnouncer announcer, RoomDescriber rooms, BookingWatch booking, QueueMetrics metrics,
    TimeProvider clock, ILogger<RoomHeartbeat> logger)
    : PeriodicTask("Announcing the waiting rooms", TimeSpan.FromSeconds(1), clock, logger)
{
    // An empty room stays announced for this long after its last change.
    private static readonly TimeSpan AfterChange = TimeSpan.FromMinutes(1);

    private readonly ILogger _logger = logger;
    private readonly TimeProvider _clock = clock;
    private BookingState _logged = BookingState.Open;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        LogSuspension();
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        var now = _clock.GetUtcNow();
        var since = now - AfterChange;
        var slots = await database.Entries.Where(entry => entry.SlotUntil > now)
            .GroupBy(entry => entry.ConcertId).Select(group => new { ConcertId = group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.ConcertId, group => group.Count, cancellationToken);
        var occupied = slots.Keys.ToList();
        var active = await database.Rooms.AsNoTracking()
            .Where(room => (room.NextNumber > room.Serving + 1 && room.SaleClosesAt > since) || room.ChangedAt > since
                || occupied.Contains(room.ConcertId))
            .OrderBy(room => room.ConcertId)
            .ToListAsync(cancellationToken);
        var announced = active.ConvertAll(room => rooms.Describe(room, now));
        foreach (var room in announced)
            announcer.Announce(room);
        metrics.Update([.. announced.Select(room => new RoomCount(
            room.ConcertId, room.PeopleBefore(room.Issued + 1), slots.GetValueOrDefault(room.ConcertId), room.Admission))]);
    }

    /// <summary>Logs one line when the rooms become suspended, one when the reason changes, and one when they open again.</summary>
    internal void LogSuspension()
    {
        var state = booking.State;
        if (state == _logged || booking.IsStarting)
            return;
        _logged = state;
        if (booking.ReasonOf(state) is { } reason)
            LogSuspended(_logger, reason);
        else
            LogOpen(_logger);
    }

    [LoggerMessage(5007, LogLevel.Warning, "All waiting rooms are suspended and admit no customer: {Reason}")]
    private static partial void LogSuspended(ILogger logger, string reason);

    [LoggerMessage(5008, LogLevel.Information,
        "The waiting rooms admit customers again: the orchestrator reports that it takes reservations.")]
    private static partial void LogOpen(ILogger logger);
}
