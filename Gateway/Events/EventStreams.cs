using System.Collections.Concurrent;
using System.Text;
using ConcertSaga.Gateway.Limits;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Events;

/// <summary>The open event streams: how many there are, and the one clock that wakes them all.</summary>
internal sealed class EventStreams(IOptions<RequestLimitsOptions> limits, IHostApplicationLifetime lifetime, TimeProvider time) : BackgroundService
{
    /// <summary>How often each stream looks whether it has something to say.</summary>
    public static readonly TimeSpan TickEvery = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<string, int> _ofUser = new();
    private TaskCompletionSource _tick = New();
    private int _open;

    /// <summary>How many are open.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Completes at the next tick.</summary>
    public Task NextTick => Volatile.Read(ref _tick).Task;

    /// <summary>Opens a stream; null, and an answer that says so, when there are too many.</summary>
    public async Task<EventStream?> OpenAsync(HttpContext context, string userId)
    {
        if (Count(userId) is { } refusal)
        {
            context.Response.StatusCode = refusal;
            context.Response.Headers.RetryAfter = "10";
            RefusalCounter.Because(context, "event_streams");
            return null;
        }
        var stream = new EventStream(context, this, () => Forget(userId), lifetime.ApplicationStopping);
        try
        {
            await stream.StartAsync();
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TickEvery, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            Interlocked.Exchange(ref _tick, New()).SetResult();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Null, or the status of the refusal.</summary>
    private int? Count(string userId)
    {
        var open = Interlocked.Increment(ref _open);
        var ofUser = _ofUser.AddOrUpdate(userId, 1, (_, count) => count + 1);
        if (open <= limits.Value.MaxEventStreams && ofUser <= limits.Value.MaxEventStreamsPerUser)
            return null;
        Forget(userId);
        return open > limits.Value.MaxEventStreams ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status429TooManyRequests;
    }

    private void Forget(string userId)
    {
        Interlocked.Decrement(ref _open);
        if (_ofUser.AddOrUpdate(userId, 0, (_, count) => count - 1) == 0)
            _ofUser.TryRemove(KeyValuePair.Create(userId, 0));
    }
}

/// <summary>
/// One response of type <c>text/event-stream</c>. A client that does not read is cut off by the server (<c>Limits:MinBytesPerSecond</c>).
/// </summary>
internal sealed class EventStream(HttpContext context, EventStreams streams, Action closed, CancellationToken stopping) : IDisposable
{
    private static readonly int QuietTicks = (int)(TimeSpan.FromSeconds(15) / EventStreams.TickEvery);

    private int _quiet;

    /// <summary>Whether nobody listens any more, or the process ends.</summary>
    public bool IsOver => context.RequestAborted.IsCancellationRequested || stopping.IsCancellationRequested;

    /// <inheritdoc cref="EventStreams.NextTick" />
    public Task NextTick => streams.NextTick;

    public CancellationToken Aborted => context.RequestAborted;

    public Task StartAsync()
    {
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        return WriteAsync(": welcome\n\n"u8.ToArray());
    }

    /// <param name="name">The event's name.</param>
    /// <param name="json">Its data, in one line.</param>
    /// <param name="id">What the client sends as <c>Last-Event-ID</c> when it comes back.</param>
    public Task SendAsync(string name, ReadOnlySpan<byte> json, long? id = null)
    {
        var head = Encoding.ASCII.GetBytes(id is null ? $"event: {name}\ndata: " : $"id: {id}\nevent: {name}\ndata: ");
        return WriteAsync([.. head, .. json, (byte)'\n', (byte)'\n']);
    }

    /// <summary>To be called once for each tick; says now and then that the stream still lives.</summary>
    /// <returns>Whether it was quiet for so long that this was said.</returns>
    public async Task<bool> CountQuietAsync()
    {
        if (++_quiet < QuietTicks || IsOver)
            return false;
        await WriteAsync(":\n\n"u8.ToArray());
        return true;
    }

    public void Dispose() => closed();

    private async Task WriteAsync(byte[] bytes)
    {
        _quiet = 0;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }
}
