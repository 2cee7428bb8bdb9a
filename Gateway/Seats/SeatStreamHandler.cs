using System.Globalization;
using ConcertSaga.Gateway.Events;
using ConcertSaga.Gateway.Queue;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertSaga.Gateway.Seats;

/// <summary>
/// Answers <c>GET /api/schedules/{id}/seats/events</c> with a stream: the seat map, then its changes. If a change is missing, it sends the
/// whole map again. The stream ends with the pass.
/// </summary>
internal sealed class SeatStreamHandler(QueueTokenCheck check, SeatMapFetcher maps, SeatChangeFeed changes, EventStreamRegistry streams)
{
    /// <summary>The name of this handler in a route's metadata <c>AnsweredBy</c>.</summary>
    public const string Name = "SeatEvents";

    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var presented = context.Features.GetRequiredFeature<PresentedToken>();
        var scheduleId = int.Parse((string)context.Request.RouteValues["scheduleId"]!, CultureInfo.InvariantCulture);
        // Subscribes before the fetch, so that no change is lost between the two.
        var subscription = changes.Subscribe(scheduleId);
        try
        {
            // Fetches before the stream starts, because a started response can no longer change its status.
            var map = await maps.FetchAsync(scheduleId, presented.Token.ConcertId, context.RequestAborted);
            if (map is not { Status: StatusCodes.Status200OK })
            {
                await SeatMapFetcher.WriteAsync(context, map);
                return;
            }
            await using var stream = await streams.OpenAsync(context, presented.UserId);
            if (stream is null)
                return;
            var lastEventId = context.Request.Headers["Last-Event-ID"].ToString();
            await new SeatMapWatcher(stream, scheduleId, presented.Token.ConcertId, maps, changes, subscription.Reader)
                // Old state alone must not end all streams, so this only checks what is certain.
                .FollowAsync(lastEventId, map, () => check.Check(presented.Token, QueueTokenUse.Book, presented.UserId) is null);
        }
        finally
        {
            changes.Unsubscribe(scheduleId, subscription);
        }
    }
}
