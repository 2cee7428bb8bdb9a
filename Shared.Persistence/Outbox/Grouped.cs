using System.Collections.Concurrent;
using System.Threading.Channels;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Handles whatever is waiting together, one group after the other. There is no timer: an item that finds nobody waiting is handled at once,
/// and the groups grow with the load. Only items nobody waits for may be left for a moment, to go with the next group.
/// </summary>
internal sealed class Grouped<T> : IAsyncDisposable
    where T : class
{
    private static readonly TimeSpan LeftAtMost = TimeSpan.FromMilliseconds(20);

    private readonly Func<List<T>, Task> _handle;
    private readonly int _most;
    private readonly Channel<T?> _waiting = Channel.CreateUnbounded<T?>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ConcurrentQueue<T> _left = new();
    private readonly Lock _starting = new();
    private readonly Timer _wake;
    private int _isWoken;
    private int _unhandled;
    private Task? _handling;

    /// <param name="handle">Handles a group, and never fails.</param>
    /// <param name="most">The most items of a group.</param>
    public Grouped(Func<List<T>, Task> handle, int most)
    {
        (_handle, _most) = (handle, most);
        _wake = new Timer(_ => _waiting.Writer.TryWrite(null));
    }

    /// <summary>Returns false when it no longer handles anything.</summary>
    public bool Add(T item)
    {
        Start();
        Interlocked.Increment(ref _unhandled);
        if (_waiting.Writer.TryWrite(item))
            return true;
        Interlocked.Decrement(ref _unhandled);
        return false;
    }

    /// <summary>Adds an item that may wait a moment for others to go with.</summary>
    public void AddLater(T item)
    {
        Interlocked.Increment(ref _unhandled);
        _left.Enqueue(item);
        Start();
        if (Interlocked.Exchange(ref _isWoken, 1) == 0)
            _wake.Change(LeftAtMost, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Completes when nothing is waiting or being handled.</summary>
    public async Task IdleAsync(CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _unhandled) > 0)
        {
            _waiting.Writer.TryWrite(null);
            await Task.Delay(TimeSpan.FromMilliseconds(2), cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        if (_handling is not null)
            await _handling.ConfigureAwait(false);
        await _wake.DisposeAsync().ConfigureAwait(false);
    }

    // Not a hosted service: the bus, which is stopped after every hosted service of this outbox, still works while it drains.
    private void Start()
    {
        if (_handling is not null)
            return;
        lock (_starting)
        {
            // What the first message carries along, such as its trace, is not the others'.
            _handling ??= ExecutionContext.IsFlowSuppressed() ? Task.Run(HandleAsync) : RunAlone();
        }

        Task RunAlone()
        {
            using (ExecutionContext.SuppressFlow())
                return Task.Run(HandleAsync);
        }
    }

    private async Task HandleAsync()
    {
        var group = new List<T>();
        while (await _waiting.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            while (group.Count < _most && _waiting.Reader.TryRead(out var one))
            {
                if (one is not null)
                    group.Add(one);
            }
            await HandleAsync(group).ConfigureAwait(false);
        }
        while (!_left.IsEmpty)
            await HandleAsync(group).ConfigureAwait(false);
    }

    private async Task HandleAsync(List<T> group)
    {
        // Before they are taken: one that is left afterwards wakes this again.
        Interlocked.Exchange(ref _isWoken, 0);
        while (group.Count < _most && _left.TryDequeue(out var one))
            group.Add(one);
        if (group.Count > 0)
            await _handle(group).ConfigureAwait(false);
        Interlocked.Add(ref _unhandled, -group.Count);
        group.Clear();
        if (!_left.IsEmpty && Interlocked.Exchange(ref _isWoken, 1) == 0)
            _wake.Change(LeftAtMost, Timeout.InfiniteTimeSpan);
    }
}
