using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Gateway.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertSaga.Gateway.Events;

/// <summary>
/// Writes a response of type <c>text/event-stream</c>. The server disconnects a client that does not read it
/// (<c>Limits:MinBytesPerSecond</c>).
/// </summary>
internal sealed class EventStream(HttpContext context, EventStreamRegistry streams, Action onClosed, CancellationToken stopping)
    : IAsyncDisposable
{
    // A comment after this many ticks without an event keeps idle connections open.
    private static readonly int MaxQuietTicks = (int)(TimeSpan.FromSeconds(15) / EventStreamRegistry.TickInterval);

    // A seat map is too large to be copied for each client.
    private const int MaxCopiedBytes = 16 * 1024;

    // Thousands of clients that reconnect in the same second would be a burst for the other gateways.
    private const int MinReconnectMilliseconds = 1_000, MaxReconnectMilliseconds = 5_000;

    private int _quietTicks;

    /// <summary>Whether the client has disconnected or the process is stopping.</summary>
    public bool IsOver => context.RequestAborted.IsCancellationRequested || stopping.IsCancellationRequested;

    /// <inheritdoc cref="EventStreamRegistry.NextTick" />
    public Task NextTick => streams.NextTick;

    public CancellationToken Aborted => context.RequestAborted;

    public Task StartAsync()
    {
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        SetHeaders(context.Response);
        return WriteAsync(": welcome\n\n"u8.ToArray());
    }

    public static void SetHeaders(HttpResponse response)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
    }

    /// <param name="name">The event's name.</param>
    /// <param name="json">The event's data, on one line.</param>
    /// <param name="id">The value that the client sends as <c>Last-Event-ID</c> when it reconnects.</param>
    public async Task SendAsync(string name, ReadOnlyMemory<byte> json, long? id = null)
    {
        var head = Encoding.ASCII.GetBytes(id is null ? $"event: {name}\ndata: " : $"id: {id}\nevent: {name}\ndata: ");
        if (json.Length <= MaxCopiedBytes)
        {
            await WriteAsync([.. head, .. json.Span, (byte)'\n', (byte)'\n']);
            return;
        }
        await WriteAsync(head);
        await LargeBody.WriteAsync(context.Response.Body, json, context.RequestAborted);
        await WriteAsync("\n\n"u8.ToArray());
    }

    /// <summary>Counts a tick, and sends a comment if the stream has been quiet for too long.</summary>
    /// <returns>Whether it sent the comment.</returns>
    public async Task<bool> KeepAliveAsync()
    {
        if (++_quietTicks < MaxQuietTicks || IsOver)
            return false;
        await WriteAsync(":\n\n"u8.ToArray());
        return true;
    }

    /// <summary>Closes the stream. If the process is stopping, it first tells the client when to reconnect.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            if (stopping.IsCancellationRequested && context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
                await WriteAsync(Encoding.ASCII.GetBytes(
                    $"retry: {RandomNumberGenerator.GetInt32(MinReconnectMilliseconds, MaxReconnectMilliseconds)}\n\n"));
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // The client has left.
        }
        finally
        {
            onClosed();
        }
    }

    private async Task WriteAsync(byte[] bytes)
    {
        _quietTicks = 0;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }
}
