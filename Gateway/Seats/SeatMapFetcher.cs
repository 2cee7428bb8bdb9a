using System.Globalization;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Upstream;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Gateway.Seats;

/// <summary>
/// Answers <c>GET /api/schedules/{id}/seats</c>. However many clients request a seat map, it fetches the map from Seats once at a time. A
/// request joins the next fetch and never a running one, so no response is older than its request.
/// </summary>
internal sealed class SeatMapFetcher(UpstreamClient upstream, IOptions<RequestLimitsOptions> limits, TimeProvider time)
{
    /// <summary>The name of this handler in a route's metadata <c>AnsweredBy</c>.</summary>
    public const string Name = "SeatMaps";

    // A smaller body fits into a packet or two.
    private const int MinEncodedBytes = 2048;

    private static readonly TimeSpan MinInterval = TimeSpan.FromMilliseconds(20);

    private readonly Lock _gate = new();

    // The next fetch, by schedule and by concert of the callers' passes, because Seats compares the two. Null if a fetch runs and no
    // request waits for the next one.
    private readonly Dictionary<(int ScheduleId, int ConcertId), TaskCompletionSource<SeatMapAnswer?>?> _next = [];

    /// <summary>The number of seat maps being fetched.</summary>
    internal int Fetching => _next.Count;

    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var concertId = context.Features.GetRequiredFeature<PresentedToken>().Token.ConcertId;
        var scheduleId = int.Parse((string)context.Request.RouteValues["scheduleId"]!, CultureInfo.InvariantCulture);
        await WriteAsync(context, await FetchAsync(scheduleId, concertId, context.RequestAborted));
    }

    /// <summary>Writes a fetched seat map, or 503 if the fetch failed.</summary>
    public static async Task WriteAsync(HttpContext context, SeatMapAnswer? answer)
    {
        var response = context.Response;
        if (answer is null)
        {
            response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }
        response.StatusCode = answer.Status;
        response.Headers.Append(HeaderNames.Vary, HeaderNames.AcceptEncoding);
        var encoding = answer.Body.Length >= MinEncodedBytes ? BodyEncoding.Choose(context.Request) : null;
        if (answer.Tag is { } tag)
        {
            response.Headers.CacheControl = "no-cache, private";
            // The compressed bytes differ, so only a weak tag may name both.
            response.Headers.ETag = (encoding is null ? tag : new EntityTagHeaderValue(tag.Tag, isWeak: true)).ToString();
            if (context.Request.GetTypedHeaders().IfNoneMatch.Any(value => value.Equals(EntityTagHeaderValue.Any)
                || value.Compare(tag, useStrongComparison: false)))
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return;
            }
        }
        if (answer.Body.Length == 0)
            return;
        var body = encoding is null ? answer.Body : await answer.EncodeAsync(encoding);
        if (encoding is not null)
            response.Headers.ContentEncoding = encoding;
        response.ContentType = answer.ContentType;
        response.ContentLength = body.Length;
        if (HeadAsGet.WasHead(context))
            return;
        // A large map takes a slow client long. From here on, the server's minimum rate replaces the timeout.
        context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();
        await LargeBody.WriteAsync(response.Body, body, context.RequestAborted);
    }

    /// <summary>Fetches the seat map, at least as new as this call; null if Seats does not answer.</summary>
    public Task<SeatMapAnswer?> FetchAsync(int scheduleId, int concertId, CancellationToken cancellationToken)
    {
        var key = (scheduleId, concertId);
        TaskCompletionSource<SeatMapAnswer?> joined;
        lock (_gate)
        {
            var isFetching = _next.TryGetValue(key, out var next);
            _next[key] = joined = next ?? new(TaskCreationOptions.RunContinuationsAsynchronously);
            if (!isFetching)
                _ = Task.Run(() => FetchWhileWantedAsync(key), CancellationToken.None);
        }
        return joined.Task.WaitAsync(cancellationToken);
    }

    private async Task FetchWhileWantedAsync((int ScheduleId, int ConcertId) key)
    {
        SeatMapAnswer? last = null;
        while (true)
        {
            TaskCompletionSource<SeatMapAnswer?> current;
            lock (_gate)
            {
                if (_next[key] is not { } wanted)
                {
                    _next.Remove(key);
                    return;
                }
                current = wanted;
                _next[key] = null;
            }
            var pause = Task.Delay(MinInterval, time);
            try
            {
                last = await FetchOnceAsync(key, last);
                current.SetResult(last);
            }
            catch (Exception exception)
            {
                // The joined requests fail with the exception, and the next fetch starts fresh.
                last = null;
                current.SetException(exception);
            }
            await pause;
        }
    }

    private async Task<SeatMapAnswer?> FetchOnceAsync((int ScheduleId, int ConcertId) key, SeatMapAnswer? last)
    {
        try
        {
            // Seats requires a user, but the map is the same for all users.
            (string, string)[] concert = [(Caller.QueueConcertIdHeader, key.ConcertId.ToString(CultureInfo.InvariantCulture)),
                (Caller.UserIdHeader, "gateway")];
            using var response = await upstream.GetAsync("seats", $"/api/schedules/{key.ScheduleId}/seats", limits.Value.UpstreamTimeout,
                CancellationToken.None,
                last?.Tag is { } known ? [.. concert, (HeaderNames.IfNoneMatch, known.ToString())] : concert);
            if ((int)response.StatusCode == StatusCodes.Status304NotModified)
                return last;
            if ((int)response.StatusCode is not (StatusCodes.Status200OK or StatusCodes.Status404NotFound))
                return null;
            var tag = response.Headers.ETag is { } given ? EntityTagHeaderValue.Parse(given.ToString()) : null;
            return new SeatMapAnswer((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(),
                await response.Content.ReadAsByteArrayAsync(), tag);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
