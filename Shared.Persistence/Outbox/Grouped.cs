using System.Threading.Channels;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Handles whatever is waiting together, one group after the other. There is no timer: an item that finds nobody waiting is handled at once,
/// and the groups grow with the load.
/// </summary>
internal sealed class Grouped<T>(Func<List<T>, Task> handle, int most) : IAsyncDisposable
{
    private readonly Channel<T> _waiting = Channel.CreateUnbounded<T>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Lock _starting = new();
    private Task? _handling;

    /// <summary>Returns false when it no longer handles anything.</summary>
    public bool Add(T item)
    {
        // Not a hosted service: the bus, which is stopped after every hosted service of this outbox, still works while it drains.
        if (_handling is null)
        {
            lock (_starting)
                _handling ??= Task.Run(HandleAsync);
        }
        return _waiting.Writer.TryWrite(item);
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        if (_handling is not null)
            await _handling.ConfigureAwait(false);
    }

    private async Task HandleAsync()
    {
        var group = new List<T>(most);
        while (await _waiting.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            while (group.Count < most && _waiting.Reader.TryRead(out var one))
                group.Add(one);
            await handle(group).ConfigureAwait(false);
            group.Clear();
        }
    }
}
