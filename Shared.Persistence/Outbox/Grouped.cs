using System.Collections.Concurrent;
using System.Diagnostics;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Handles whatever is waiting together, one group after the other. There is no timer and no thread of its own: an item that finds nobody at
/// work is handled at once, where it was added, and while that lasts the others gather. Only items nobody waits for may be left for a moment,
/// to go with the next group.
/// </summary>
internal sealed class Grouped<T> : IAsyncDisposable
    where T : class
{
    private static readonly TimeSpan LeftAtMost = TimeSpan.FromMilliseconds(200);

    private readonly Func<List<T>, Task> _handle;
    private readonly int _most;
    private readonly ConcurrentQueue<T> _waiting = new();
    private readonly ConcurrentQueue<T> _left = new();
    private readonly Timer _wake;
    private int _isAtWork;
    private int _isWoken;
    private int _unhandled;
    private volatile bool _isDue;
    private volatile bool _isClosed;

    /// <param name="handle">Handles a group, and never fails.</param>
    /// <param name="most">The most items of a group, and as many that were left for later.</param>
    public Grouped(Func<List<T>, Task> handle, int most)
    {
        (_handle, _most) = (handle, most);
        _wake = new Timer(_ => HandleLeft());
    }

    /// <summary>Returns false when it no longer handles anything.</summary>
    public bool Add(T item)
    {
        // Counted before the look, so that whoever closes this either waits for the item or is seen here.
        Interlocked.Increment(ref _unhandled);
        if (_isClosed)
        {
            Interlocked.Decrement(ref _unhandled);
            return false;
        }
        _waiting.Enqueue(item);
        Begin();
        return true;
    }

    /// <summary>Adds an item that may wait a moment for others to go with.</summary>
    public void AddLater(T item)
    {
        Interlocked.Increment(ref _unhandled);
        if (_isClosed)
        {
            Interlocked.Decrement(ref _unhandled);
            return;
        }
        _left.Enqueue(item);
        Wake();
    }

    /// <summary>Completes when nothing is waiting or being handled.</summary>
    public async Task IdleAsync(CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _unhandled) > 0)
        {
            HandleLeft();
            await Task.Delay(TimeSpan.FromMilliseconds(2), cancellationToken).ConfigureAwait(false);
        }
    }

    // Not a hosted service: the bus, which is stopped after every hosted service of this outbox, still works while it drains.
    public async ValueTask DisposeAsync()
    {
        _isClosed = true;
        Interlocked.MemoryBarrier();
        await IdleAsync(CancellationToken.None).ConfigureAwait(false);
        await _wake.DisposeAsync().ConfigureAwait(false);
    }

    private void Wake()
    {
        if (Interlocked.Exchange(ref _isWoken, 1) == 0 && !_isClosed)
            _wake.Change(LeftAtMost, Timeout.InfiniteTimeSpan);
    }

    private void HandleLeft()
    {
        _isDue = true;
        Begin();
    }

    private void Begin()
    {
        if (Interlocked.CompareExchange(ref _isAtWork, 1, 0) != 0)
            return;
        // A group belongs to several messages, and what one of them carries along, such as its trace, is not the others'.
        var trace = Activity.Current;
        Activity.Current = null;
        var flow = ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow();
        _ = HandleAsync();
        flow.Dispose();
        Activity.Current = trace;
    }

    private async Task HandleAsync()
    {
        var isFirst = true;
        do
        {
            while (!_waiting.IsEmpty || _isDue)
            {
                await HandleGroupAsync().ConfigureAwait(false);
                // Whoever began this is not held up by what others add meanwhile, where nothing in it ever really waits (SQLite).
                if (isFirst && !_waiting.IsEmpty)
                    await Task.Yield();
                isFirst = false;
            }
            Volatile.Write(ref _isAtWork, 0);
            Interlocked.MemoryBarrier();
        }
        // What came after the last look and before the place was free found somebody at work.
        while ((!_waiting.IsEmpty || _isDue) && Interlocked.CompareExchange(ref _isAtWork, 1, 0) == 0);
    }

    private async Task HandleGroupAsync()
    {
        // Before anything is taken: what is left afterwards wakes this again.
        _isDue = false;
        Interlocked.Exchange(ref _isWoken, 0);
        var group = new List<T>();
        while (group.Count < _most && _waiting.TryDequeue(out var one))
            group.Add(one);
        // However many others there are, these go along.
        for (var i = 0; i < _most && _left.TryDequeue(out var one); i++)
            group.Add(one);
        if (group.Count > 0)
            await _handle(group).ConfigureAwait(false);
        Interlocked.Add(ref _unhandled, -group.Count);
        if (!_left.IsEmpty)
            Wake();
    }
}
