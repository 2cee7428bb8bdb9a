using System.Threading.Channels;
using ConcertSaga.Queue.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Domain;

/// <summary>
/// Tells the gateways what changed, after the commit and in order, and every second how things are. None of it is kept for later: a gateway
/// that misses something sees a gap in the sequences, or hears nothing, and reads the snapshot.
/// </summary>
internal sealed partial class Announcements(
    IServiceScopeFactory scopes, IBus bus, Rooms rooms, QueueMetrics metrics, TimeProvider clock, ILogger<Announcements> logger) : BackgroundService
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(1);

    // After this long a gateway has read the snapshot.
    private static readonly TimeSpan Stale = TimeSpan.FromSeconds(3);

    // A room that changed this lately is told of even when it is empty.
    private static readonly TimeSpan Lately = TimeSpan.FromMinutes(1);

    private readonly Channel<(object Message, DateTimeOffset At)> _waiting =
        Channel.CreateBounded<(object, DateTimeOffset)>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    private bool _isBroken;

    /// <summary>Takes messages about one committed change, and returns at once.</summary>
    public void Announce(params ReadOnlySpan<object> messages)
    {
        foreach (var message in messages)
            _waiting.Writer.TryWrite((message, clock.GetUtcNow()));
    }

    /// <summary>Says how every room is that anybody may be in.</summary>
    public async Task BeatAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
        var now = clock.GetUtcNow();
        var lately = now - Lately;
        var taken = await database.Tokens.Where(token => token.SlotUntil > now)
            .GroupBy(token => token.ConcertId).Select(group => new { ConcertId = group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.ConcertId, group => group.Count, cancellationToken);
        var inside = taken.Keys.ToList();
        var busy = await database.Counters.AsNoTracking()
            .Where(room => (room.NextNumber > room.Serving + 1 && room.SaleClosesAt > lately) || room.ChangedAt > lately || inside.Contains(room.ConcertId))
            .OrderBy(room => room.ConcertId)
            .ToListAsync(cancellationToken);
        foreach (var room in busy)
            Announce(rooms.Describe(room, now));
        metrics.See([.. busy.Select(room => new RoomCount(room.ConcertId, room.NextNumber - 1 - room.Serving, taken.GetValueOrDefault(room.ConcertId)))]);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(PublishAsync(stoppingToken), BeatOnAsync(stoppingToken));

    private async Task BeatOnAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Heartbeat, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await BeatAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogNotRead(exception.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task PublishAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var (message, at) in _waiting.Reader.ReadAllAsync(stoppingToken))
            {
                if (clock.GetUtcNow() - at < Stale)
                    await PublishAsync(message, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    // A broker that is away must not stop this for longer than the message is of use.
    private async Task PublishAsync(object message, CancellationToken stoppingToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        limit.CancelAfter(Stale);
        try
        {
            await bus.Publish(message, message.GetType(), limit.Token);
            _isBroken = false;
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            if (!_isBroken)
                LogNotPublished(message.GetType().Name, exception.Message);
            _isBroken = true;
        }
    }

    [LoggerMessage(5001, LogLevel.Warning, "{Message} was not published, and what follows may not be either; gateways read the snapshot: {Reason}")]
    private partial void LogNotPublished(string message, string reason);

    [LoggerMessage(5002, LogLevel.Warning, "The waiting rooms could not be read: {Reason}")]
    private partial void LogNotRead(string reason);
}
