using ConcertSaga.Contracts.Operations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Rooms;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Admission;

/// <summary>Serves the waiting rooms to Operations. The gateway does not route here.</summary>
internal static class WaitingRoomOverviewEndpoints
{
    private const int MaxRooms = 200;

    public static void MapWaitingRoomOverview(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/internal/overview/waiting-rooms", GetOverview);

    /// <summary>Lists the waiting rooms whose sale has not closed.</summary>
    internal static async Task<Ok<WaitingRoomOverview>> GetOverview(
        QueueDbContext database, RoomDescriber rooms, TimeProvider clock, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var open = await database.Rooms.AsNoTracking().Where(room => room.SaleClosesAt > now).OrderBy(room => room.ConcertId)
            .Take(MaxRooms).ToListAsync(cancellationToken);
        var views = await OperatorEndpoints.DescribeAsync(open, database, rooms, clock, cancellationToken);
        return TypedResults.Ok(new WaitingRoomOverview([.. views.Select(room => new WaitingRoomState(
            room.ConcertId, room.Admission.ToString(), room.Reason, room.Waiting, room.Offered, room.Active, room.Rate))]));
    }
}
