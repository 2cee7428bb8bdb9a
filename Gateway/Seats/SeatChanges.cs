using System.Threading.Channels;
using ConcertSaga.Contracts.Seats;
using MassTransit;

namespace ConcertSaga.Gateway.Seats;

/// <summary>
/// The latest changes of seat maps, for those who watch one and those who come back after a moment. Messages may overtake each other; what
/// is given out is in order.
/// </summary>
public sealed class SeatChanges
{
    // A watcher that is further behind than this is not reading.
    private const int MostUnread = 256;

    private const int Kept = 64, KeptSchedules = 1024;

    private readonly Lock _gate = new();
    private readonly RecentCache<int, SortedList<long, SeatsChanged>> _recent = new(KeptSchedules);
    private readonly Dictionary<int, HashSet<Channel<SeatsChanged>>> _watchers = [];

    internal void Apply(SeatsChanged change)
    {
        lock (_gate)
        {
            if (!_recent.TryGet(change.ScheduleId, out var recent))
                _recent.Set(change.ScheduleId, recent = []);
            recent[change.Version] = change;
            if (recent.Count > Kept)
                recent.RemoveAt(0);
            if (!_watchers.TryGetValue(change.ScheduleId, out var watchers))
                return;
            foreach (var watcher in watchers)
            {
                if (!watcher.Writer.TryWrite(change))
                    watcher.Writer.TryComplete();
            }
        }
    }

    /// <summary>Begins to watch a date. The reader ends when its owner does not read; whoever is done calls <see cref="Leave"/>.</summary>
    internal Channel<SeatsChanged> Watch(int scheduleId)
    {
        var watcher = Channel.CreateBounded<SeatsChanged>(new BoundedChannelOptions(MostUnread) { SingleReader = true });
        lock (_gate)
        {
            if (!_watchers.TryGetValue(scheduleId, out var watchers))
                _watchers[scheduleId] = watchers = [];
            watchers.Add(watcher);
        }
        return watcher;
    }

    internal void Leave(int scheduleId, Channel<SeatsChanged> watcher)
    {
        lock (_gate)
        {
            if (_watchers.TryGetValue(scheduleId, out var watchers) && watchers.Remove(watcher) && watchers.Count == 0)
                _watchers.Remove(scheduleId);
        }
    }

    /// <summary>All changes after a version, if that version and everything since is known; null otherwise.</summary>
    internal SeatsChanged[]? After(int scheduleId, long version)
    {
        lock (_gate)
        {
            if (!_recent.TryGet(scheduleId, out var recent) || recent.Count == 0 || recent.Keys[^1] < version || recent.Keys[0] > version + 1)
                return null;
            var after = recent.Values.Where(change => change.Version > version).ToArray();
            return after.Length == recent.Keys[^1] - version ? after : null;
        }
    }
}

/// <summary>Hears of changed seats, on a temporary queue of this gateway's own.</summary>
public sealed class SeatsListener(SeatChanges changes) : IConsumer<SeatsChanged>
{
    /// <inheritdoc />
    public Task Consume(ConsumeContext<SeatsChanged> context)
    {
        changes.Apply(context.Message);
        return Task.CompletedTask;
    }
}

/// <summary>Apart from the waiting room's messages, which must not stand behind a crowd of these.</summary>
public sealed class SeatsListenerDefinition : ConsumerDefinition<SeatsListener>
{
    /// <summary>Names the queue.</summary>
    public SeatsListenerDefinition() => Endpoint(endpoint =>
    {
        endpoint.Name = $"gateway-seats-{NewId.NextGuid():N}";
        endpoint.Temporary = true;
    });
}
