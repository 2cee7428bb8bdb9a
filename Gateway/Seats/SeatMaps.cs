using System.Globalization;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Gateway.Seats;

/// <summary>What Seats answered to one fetch; shared by all who joined it.</summary>
/// <param name="Status">200 or 404.</param>
/// <param name="ContentType">Of the body.</param>
/// <param name="Body">As it came.</param>
/// <param name="Tag">The version as an entity tag; null with 404.</param>
internal sealed record SeatMapAnswer(int Status, string? ContentType, byte[] Body, EntityTagHeaderValue? Tag)
{
    /// <summary>The seat map's version; 0 when there is none.</summary>
    public long Version { get; } = long.TryParse(Tag?.Tag.Value?.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : 0;
}

/// <summary>
/// <c>GET /api/schedules/{id}/seats</c>: a crowd that asks for one seat map costs Seats one answer at a time. A request joins the next fetch
/// of its date and never one already under way, so that nobody gets what is older than their request.
/// </summary>
internal sealed class SeatMaps(InnerClient inner, IOptions<RequestLimitsOptions> limits, TimeProvider time)
{
    private static readonly TimeSpan Apart = TimeSpan.FromMilliseconds(20);

    private readonly Lock _gate = new();

    // By date and by concert of the callers' passes: who joins one fetch was checked for the same.
    private readonly Dictionary<(int ScheduleId, int ConcertId), TaskCompletionSource<SeatMapAnswer?>?> _next = [];

    /// <summary>Dates that are being fetched.</summary>
    internal int UnderWay => _next.Count;

    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var concertId = context.Features.GetRequiredFeature<ShownToken>().Token.ConcertId;
        var scheduleId = int.Parse((string)context.Request.RouteValues["scheduleId"]!, CultureInfo.InvariantCulture);
        await WriteAsync(context, await FetchAsync(scheduleId, concertId, context.RequestAborted));
    }

    /// <summary>Answers with what was fetched, or that nothing could be.</summary>
    public static Task WriteAsync(HttpContext context, SeatMapAnswer? answer)
    {
        var response = context.Response;
        if (answer is null)
        {
            response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        }
        response.StatusCode = answer.Status;
        if (answer.Tag is { } tag)
        {
            response.Headers.CacheControl = "no-cache, private";
            response.Headers.ETag = tag.ToString();
            if (context.Request.GetTypedHeaders().IfNoneMatch.Any(one => one.Equals(EntityTagHeaderValue.Any) || one.Compare(tag, useStrongComparison: false)))
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return Task.CompletedTask;
            }
        }
        if (answer.Body.Length == 0)
            return Task.CompletedTask;
        response.ContentType = answer.ContentType;
        response.ContentLength = answer.Body.Length;
        return response.Body.WriteAsync(answer.Body, context.RequestAborted).AsTask();
    }

    /// <summary>The seat map, at least as new as this call; null when Seats cannot be asked.</summary>
    public Task<SeatMapAnswer?> FetchAsync(int scheduleId, int concertId, CancellationToken cancellationToken)
    {
        var key = (scheduleId, concertId);
        TaskCompletionSource<SeatMapAnswer?> joined;
        lock (_gate)
        {
            var isUnderWay = _next.TryGetValue(key, out var next);
            _next[key] = joined = next ?? new(TaskCreationOptions.RunContinuationsAsynchronously);
            if (!isUnderWay)
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
            var apart = Task.Delay(Apart, time);
            try
            {
                last = await FetchOnceAsync(key, last);
                current.SetResult(last);
            }
            catch (Exception exception)
            {
                // Whoever joined answers for it; the next fetch may do better.
                last = null;
                current.SetException(exception);
            }
            await apart;
        }
    }

    private async Task<SeatMapAnswer?> FetchOnceAsync((int ScheduleId, int ConcertId) key, SeatMapAnswer? last)
    {
        try
        {
            // Seats answers no request without a user; here there are several, and none of them matters to the map.
            (string, string)[] concert = [(Caller.QueueConcertIdHeader, key.ConcertId.ToString(CultureInfo.InvariantCulture)), (Caller.UserIdHeader, "gateway")];
            using var response = await inner.GetAsync("seats", $"/api/schedules/{key.ScheduleId}/seats", limits.Value.UpstreamTimeout, CancellationToken.None,
                last?.Tag is { } known ? [.. concert, (HeaderNames.IfNoneMatch, known.ToString())] : concert);
            if ((int)response.StatusCode == StatusCodes.Status304NotModified)
                return last;
            if ((int)response.StatusCode is not (StatusCodes.Status200OK or StatusCodes.Status404NotFound))
                return null;
            var tag = response.Headers.ETag is { } given ? EntityTagHeaderValue.Parse(given.ToString()) : null;
            return new SeatMapAnswer((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(), await response.Content.ReadAsByteArrayAsync(), tag);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
