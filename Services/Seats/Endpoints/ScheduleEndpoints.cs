using System.Globalization;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>All seats of a date at one moment.</summary>
/// <param name="ScheduleId">The date.</param>
/// <param name="Version">Grows by one with each change; also the <c>ETag</c>.</param>
/// <param name="Seats">The seats, by number.</param>
public sealed record SeatMap(int ScheduleId, long Version, IReadOnlyList<SeatView> Seats);

/// <summary>One seat of a <see cref="SeatMap"/>.</summary>
/// <param name="Number">The seat's number.</param>
/// <param name="Price">In points.</param>
/// <param name="Status"><c>Available</c>, <c>Held</c> or <c>Sold</c>.</param>
public sealed record SeatView(int Number, long Price, string Status);

internal static class ScheduleEndpoints
{
    public static void MapSchedules(this IEndpointRouteBuilder routes)
    {
        var schedules = routes.MapGroup("/api/schedules").WithTags("Schedules").ProducesProblem(StatusCodes.Status400BadRequest);
        schedules.MapGet("/{scheduleId:int}/seats", GetSeats)
            .Produces(StatusCodes.Status304NotModified).ProducesProblem(StatusCodes.Status404NotFound);
    }

    /// <summary>
    /// The seat map of a date, as new as the moment of the request. A caller that has the current version, by <c>If-None-Match</c>, is told
    /// so with a 304. A pass for another concert is answered as if there were no such date.
    /// </summary>
    internal static async Task<Results<Ok<SeatMap>, StatusCodeHttpResult, ProblemHttpResult>> GetSeats(
        int scheduleId, Caller caller, SeatsDbContext database, HttpContext http, CancellationToken cancellationToken)
    {
        var schedules = database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId);
        var known = http.Request.GetTypedHeaders().IfNoneMatch;
        if (known.Count > 0)
        {
            var current = await schedules.Select(schedule => new { schedule.ConcertId, schedule.Version }).FirstOrDefaultAsync(cancellationToken);
            if (current is null || (caller.QueueConcertId ?? current.ConcertId) != current.ConcertId)
                return NotFound();
            var tag = ETag(current.Version);
            if (known.Any(one => one.Equals(EntityTagHeaderValue.Any) || one.Compare(tag, useStrongComparison: false)))
            {
                Describe(http.Response, tag);
                return TypedResults.StatusCode(StatusCodes.Status304NotModified);
            }
        }

        // One statement, so that the seats and the version are of the same moment: on PostgreSQL and SQLite always, on SQL Server with
        // READ_COMMITTED_SNAPSHOT, which the database is created with.
        var map = await schedules
            .Select(schedule => new
            {
                schedule.ConcertId,
                schedule.Version,
                Seats = schedule.Seats.OrderBy(seat => seat.Number).Select(seat => new { seat.Number, seat.Price, seat.Status }).ToList()
            })
            .FirstOrDefaultAsync(cancellationToken);
        if (map is null || (caller.QueueConcertId ?? map.ConcertId) != map.ConcertId)
            return NotFound();
        Describe(http.Response, ETag(map.Version));
        return TypedResults.Ok(new SeatMap(
            scheduleId, map.Version, [.. map.Seats.Select(seat => new SeatView(seat.Number, seat.Price, seat.Status.ToString()))]));
    }

    private static EntityTagHeaderValue ETag(long version) => new(string.Create(CultureInfo.InvariantCulture, $"\"{version}\""));

    // A copy may be kept, by the caller alone, but is asked about each time.
    private static void Describe(HttpResponse response, EntityTagHeaderValue tag)
    {
        response.Headers.ETag = tag.ToString();
        response.Headers.CacheControl = "no-cache, private";
    }

    internal static ProblemHttpResult NotFound() =>
        Problems.Refuse(StatusCodes.Status404NotFound, "SCHEDULE_NOT_FOUND", "There is no such date.");
}
