using System.Threading.Channels;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Gateway.Caching;

namespace ConcertSaga.Gateway.Seats;

/// <summary>
/// Distributes changes of seat maps to the streams, and keeps the latest ones for clients that reconnect. Subscribers receive changes as
/// they arrive, possibly out of order. <see cref="FindAfter"/> returns them in order.
/// </summary>
public sealed class SeatChangeFeed
{
    // A subscriber that is further behind has stopped reading.
    private const int MaxUnread = 256;

    private const int MaxRecent = 64, MaxSchedules = 1024;

    private readonly Lock _gate = new();
    private readonly RecentCache<int, SortedList<long, SeatsChanged>> _recent = new(MaxSchedules);
    private readonly Dictionary<int, HashSet<Channel<SeatsChanged>>> _subscriptions = [];

    internal void Apply(SeatsChanged change)
    {
        lock (_gate)
        {
            if (!_recent.TryGet(change.ScheduleId, out var recent))
                _recent.Set(change.ScheduleId, recent = []);
            recent[change.Version] = change;
            if (recent.Count > MaxRecent)
                recent.RemoveAt(0);
            if (!_subscriptions.TryGetValue(change.ScheduleId, out var subscriptions))
                return;
            foreach (var subscription in subscriptions)
            {
                if (!subscription.Writer.TryWrite(change))
                    subscription.Writer.TryComplete();
            }
        }
    }

    /// <summary>
    /// Subscribes to the changes of a schedule. The channel completes if the subscriber does not read it. Afterwards the subscriber must
    /// call <see cref="Unsubscribe"/>.
    /// </summary>
    internal Channel<SeatsChanged> Subscribe(int scheduleId)
    {
        var subscription = Channel.CreateBounded<SeatsChanged>(new BoundedChannelOptions(MaxUnread) { SingleReader = true });
        lock (_gate)
        {
            if (!_subscriptions.TryGetValue(scheduleId, out var subscriptions))
                _subscriptions[scheduleId] = subscriptions = [];
            subscriptions.Add(subscription);
        }
        return subscription;
    }

    internal void Unsubscribe(int scheduleId, Channel<SeatsChanged> subscription)
    {
        lock (_gate)
        {
            if (_subscriptions.TryGetValue(scheduleId, out var subscriptions) && subscriptions.Remove(subscription)
                && subscriptions.Count == 0)
                _subscriptions.Remove(scheduleId);
        }
    }

    /// <summary>All changes after a version in order; null if one of them is unknown.</summary>
    internal SeatsChanged[]? FindAfter(int scheduleId, long version)
    {
        lock (_gate)
        {
            if (!_recent.TryGet(scheduleId, out var recent) || recent.Count == 0 || recent.Keys[^1] < version
                || recent.Keys[0] > version + 1)
                return null;
            var after = recent.Values.Where(change => change.Version > version).ToArray();
            return after.Length == recent.Keys[^1] - version ? after : null;
        }
    }
}
