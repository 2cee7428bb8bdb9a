using System.ComponentModel.DataAnnotations;
using System.Linq.Expressions;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>Serves reads of the gateway and other services. No client can reach these routes.</summary>
internal static class InternalEndpoints
{
    private const int MaxPageSize = 1_000;

    public static void MapInternal(this IEndpointRouteBuilder routes)
    {
        var concerts = routes.MapGroup("/internal/concerts");
        concerts.MapGet("", ListConcerts);
        concerts.MapGet("/{concertId:int}", GetConcert);
        routes.MapGet("/internal/schedules/{scheduleId:int}", GetConcertOfSchedule);
        routes.MapPost("/internal/schedules/{scheduleId:int}/cancel", ScheduleOperatorEndpoints.CancelSchedule);
    }

    /// <summary>
    /// Lists the sale of the concerts whose id is above <paramref name="after"/>, by id. A page shorter than
    /// <paramref name="limit"/> is the last one.
    /// </summary>
    internal static async Task<Ok<List<ConcertPublished>>> ListConcerts(
        SeatsDbContext database, [Range(1, MaxPageSize)] int? limit, int? after, TimeProvider clock, CancellationToken cancellationToken)
    {
        var first = after ?? int.MinValue;
        return TypedResults.Ok(await database.Concerts.Where(concert => concert.ConcertId > first).OrderBy(concert => concert.ConcertId)
            .Select(SaleAt(clock.GetUtcNow())).Take(limit ?? MaxPageSize).ToListAsync(cancellationToken));
    }

    /// <summary>Returns the sale of one concert.</summary>
    internal static async Task<Results<Ok<ConcertPublished>, NotFound>> GetConcert(
        int concertId, SeatsDbContext database, TimeProvider clock, CancellationToken cancellationToken) =>
        await database.Concerts.Where(concert => concert.ConcertId == concertId).Select(SaleAt(clock.GetUtcNow()))
            .FirstOrDefaultAsync(cancellationToken) is { } concert ? TypedResults.Ok(concert) : TypedResults.NotFound();

    /// <summary>
    /// Returns the concert and the current data of a schedule. The gateway refuses passes of other concerts by it; the orchestrator
    /// uses the rest.
    /// </summary>
    internal static async Task<Results<Ok<ScheduleConcert>, ProblemHttpResult>> GetConcertOfSchedule(
        int scheduleId, SeatsDbContext database, CancellationToken cancellationToken) =>
        await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId)
            .Select(schedule => new ScheduleConcert(
                schedule.ScheduleId, schedule.ConcertId, schedule.StartsAt, schedule.Concert!.Title, schedule.Concert.Venue,
                schedule.Concert.TimeZone))
            .FirstOrDefaultAsync(cancellationToken) is { } found
            ? TypedResults.Ok(found) : ScheduleEndpoints.NotFound();

    // A concert without a coming schedule is not sold out: its schedules may follow.
    private static Expression<Func<Concert, ConcertPublished>> SaleAt(DateTimeOffset now) =>
        concert => new ConcertPublished(concert.ConcertId, concert.SaleOpensAt, concert.SaleClosesAt,
            concert.Schedules.Where(schedule => schedule.StartsAt > now && schedule.CancelledAt == null)
                .Max(schedule => (int?)schedule.AvailableSeats) == 0);
}
