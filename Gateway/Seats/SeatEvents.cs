using System.Globalization;
using ConcertSaga.Gateway.Events;
using ConcertSaga.Gateway.Queue;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertSaga.Gateway.Seats;

/// <summary>
/// <c>GET /api/schedules/{id}/seats/events</c>: the seat map, then its changes as they are announced. Where one is missing, the whole map
/// follows again. The stream ends with the pass.
/// </summary>
internal sealed class SeatEvents(QueuePass pass, SeatMaps maps, SeatChanges changes, EventStreams streams)
{
    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var shown = context.Features.GetRequiredFeature<ShownToken>();
        var scheduleId = int.Parse((string)context.Request.RouteValues["scheduleId"]!, CultureInfo.InvariantCulture);
        // Watched before the map is fetched, so that no change falls between the two.
        var watcher = changes.Watch(scheduleId);
        try
        {
            // Fetched before the stream begins: afterwards there is no status left to say no with.
            var map = await maps.FetchAsync(scheduleId, shown.Token.ConcertId, context.RequestAborted);
            if (map is not { Status: StatusCodes.Status200OK })
            {
                await SeatMaps.WriteAsync(context, map);
                return;
            }
            using var stream = await streams.OpenAsync(context, shown.UserId);
            if (stream is null)
                return;
            var lastEventId = context.Request.Headers["Last-Event-ID"].ToString();
            await new WatchedMap(stream, scheduleId, shown.Token.ConcertId, maps, changes, watcher.Reader)
                // A moment in which a pass cannot be judged does not cut off everybody; what is known to be over does.
                .FollowAsync(lastEventId, map, () => pass.Judge(shown.Token, QueueTokenUse.Book, shown.UserId) is null);
        }
        finally
        {
            changes.Leave(scheduleId, watcher);
        }
    }
}
