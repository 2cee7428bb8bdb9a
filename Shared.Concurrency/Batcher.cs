using System.Collections.Concurrent;

namespace ConcertSaga.Shared.Concurrency;

/// <summary>
/// Handles waiting items in batches, one batch at a time. It has no thread of its own: an item that finds the batcher idle is handled at
/// once, on the thread that added it. Items that arrive during a batch form the next one. Only a deferred item may wait for a timer.
/// </summary>
/// <typeparam name="T">The type of an item.</typeparam>
public sealed class Batcher<T> : IAsyncDisposable
    where T : class
{
    private static readonly TimeSpan MaxDeferral = TimeSpan.FromMilliseconds(200);

    private static readonly ExecutionContext Empty = CaptureEmpty();

    private readonly Func<List<T>, Task> _handle;
    private readonly int _maxItems;
    private readonly ConcurrentQueue<T> _waiting = new();
    private readonly ConcurrentQueue<T> _deferred = new();
    private readonly Timer _wake;
    private int _isRunning;
    private int _isWakeScheduled;
    private int _unhandled;
    private volatile bool _isDeferredDue;
    private volatile bool _isClosed;

    /// <summary>Creates an idle batcher.</summary>
    /// <param name="handle">Handles one batch. It must not throw.</param>
    /// <param name="maxItems">The maximum number of items in a batch, and of deferred items that join it.</param>
    public Batcher(Func<List<T>, Task> handle, int maxItems)
    {
        _handle = handle;
        _maxItems = maxItems;
        _wake = new Timer(_ => HandleDeferred());
    }

    /// <summary>Adds an item. Returns false if the batcher is closed.</summary>
    public bool Add(T item)
    {
        // Counted before _isClosed is read, so that DisposeAsync either waits for the item or this method sees the closed flag.
        Interlocked.Increment(ref _unhandled);
        if (_isClosed)
        {
            Interlocked.Decrement(ref _unhandled);
            return false;
        }
        _waiting.Enqueue(item);
        Start();
        return true;
    }

    /// <summary>Adds an item without a caller that waits for it. It joins the next batch, or is handled after 200 ms.</summary>
    public void Defer(T item)
    {
        Interlocked.Increment(ref _unhandled);
        if (_isClosed)
        {
            Interlocked.Decrement(ref _unhandled);
            return;
        }
        _deferred.Enqueue(item);
        ScheduleWake();
    }

    /// <summary>Completes when no item is waiting or being handled.</summary>
    public async Task IdleAsync(CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _unhandled) > 0)
        {
            HandleDeferred();
            await Task.Delay(TimeSpan.FromMilliseconds(2), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Refuses new items and handles those that are waiting.</summary>
    // Not a hosted service: the bus stops after all hosted services, and its consumers still add items while it drains.
    public async ValueTask DisposeAsync()
    {
        _isClosed = true;
        Interlocked.MemoryBarrier();
        await IdleAsync(CancellationToken.None).ConfigureAwait(false);
        await _wake.DisposeAsync().ConfigureAwait(false);
    }

    private void ScheduleWake()
    {
        if (Interlocked.Exchange(ref _isWakeScheduled, 1) == 0 && !_isClosed)
            _wake.Change(MaxDeferral, Timeout.InfiniteTimeSpan);
    }

    private void HandleDeferred()
    {
        _isDeferredDue = true;
        Start();
    }

    private void Start()
    {
        if (Interlocked.CompareExchange(ref _isRunning, 1, 0) != 0)
            return;
        // A batch belongs to several callers, so it must not inherit the trace or the execution strategy of one of them.
        ExecutionContext.Run(Empty, static batcher => _ = ((Batcher<T>)batcher!).RunAsync(), this);
    }

    // Only a thread started this way has an execution context without values of its creator.
    private static ExecutionContext CaptureEmpty()
    {
        ExecutionContext? empty = null;
        var thread = new Thread(() => empty = ExecutionContext.Capture());
        thread.UnsafeStart();
        thread.Join();
        return empty!;
    }

    private async Task RunAsync()
    {
        var isFirst = true;
        do
        {
            while (!_waiting.IsEmpty || _isDeferredDue)
            {
                await HandleBatchAsync().ConfigureAwait(false);
                // On SQLite a batch completes synchronously. Without this the caller of the first would run the batches of all others.
                if (isFirst && !_waiting.IsEmpty)
                    await Task.Yield();
                isFirst = false;
            }
            Volatile.Write(ref _isRunning, 0);
            Interlocked.MemoryBarrier();
        }
        // An item added between the last check and the release of _isRunning has started nothing.
        while ((!_waiting.IsEmpty || _isDeferredDue) && Interlocked.CompareExchange(ref _isRunning, 1, 0) == 0);
    }

    private async Task HandleBatchAsync()
    {
        // Reset before items are taken: an item deferred from here on schedules another wake.
        _isDeferredDue = false;
        Interlocked.Exchange(ref _isWakeScheduled, 0);
        var batch = new List<T>();
        while (batch.Count < _maxItems && _waiting.TryDequeue(out var item))
            batch.Add(item);
        // Deferred items have room of their own, so that a steady load cannot keep them out.
        for (var i = 0; i < _maxItems && _deferred.TryDequeue(out var item); i++)
            batch.Add(item);
        if (batch.Count > 0)
            await _handle(batch).ConfigureAwait(false);
        Interlocked.Add(ref _unhandled, -batch.Count);
        if (!_deferred.IsEmpty)
            ScheduleWake();
    }
}
