using System.Collections.Concurrent;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Rejections;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Events;

/// <summary>Opens event streams within their limits, and wakes all of them with one timer.</summary>
internal sealed class EventStreamRegistry(
    IOptions<RequestLimitsOptions> limits, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<EventStreamRegistry> logger)
    : PeriodicTask("Waking the event streams", TickInterval, time, logger)
{
    /// <summary>How often each stream checks for something to send.</summary>
    public static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<string, int> _openByUser = new();
    private TaskCompletionSource _tick = New();
    private int _open;

    /// <summary>The number of open streams.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Completes at the next tick.</summary>
    public Task NextTick => Volatile.Read(ref _tick).Task;

    /// <summary>Opens a stream. For HEAD, or if too many streams are open, it answers the request and returns null.</summary>
    public async Task<EventStream?> OpenAsync(HttpContext context, string userId)
    {
        if (HeadAsGet.WasHead(context))
        {
            EventStream.SetHeaders(context.Response);
            return null;
        }
        if (Reserve(userId) is { } refusal)
        {
            context.Response.StatusCode = refusal;
            context.Response.Headers.RetryAfter = "10";
            RefusalCounter.SetReason(context, "event_streams");
            return null;
        }
        var stream = new EventStream(context, this, () => Release(userId), lifetime.ApplicationStopping);
        try
        {
            await stream.StartAsync();
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    public override Task RunOnceAsync(CancellationToken cancellationToken)
    {
        Interlocked.Exchange(ref _tick, New()).SetResult();
        return Task.CompletedTask;
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Counts a stream; returns the status of the refusal if there are too many.</summary>
    private int? Reserve(string userId)
    {
        var open = Interlocked.Increment(ref _open);
        var openOfUser = _openByUser.AddOrUpdate(userId, 1, (_, count) => count + 1);
        if (open <= limits.Value.MaxEventStreams && openOfUser <= limits.Value.MaxEventStreamsPerUser)
            return null;
        Release(userId);
        return open > limits.Value.MaxEventStreams ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status429TooManyRequests;
    }

    private void Release(string userId)
    {
        Interlocked.Decrement(ref _open);
        if (_openByUser.AddOrUpdate(userId, 0, (_, count) => count - 1) == 0)
            _openByUser.TryRemove(KeyValuePair.Create(userId, 0));
    }
}
