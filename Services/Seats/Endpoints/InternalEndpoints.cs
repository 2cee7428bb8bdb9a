using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>Which concert a date belongs to.</summary>
/// <param name="ScheduleId">The date.</param>
/// <param name="ConcertId">Its concert, which never changes.</param>
public sealed record ScheduleConcert(int ScheduleId, int ConcertId);

/// <summary>What other services ask for. Not routed by any gateway.</summary>
internal static class InternalEndpoints
{
    private const int MostOnAPage = 1_000;

    public static void MapInternal(this IEndpointRouteBuilder routes)
    {
        var concerts = routes.MapGroup("/internal/concerts");
        concerts.MapGet("", ListConcerts);
        concerts.MapGet("/{concertId:int}", GetConcert);
        routes.MapGet("/internal/schedules/{scheduleId:int}", GetConcertOfSchedule);
    }

    /// <summary>The sale times of all concerts by id, those after <paramref name="after"/>; a page shorter than <paramref name="limit"/> is the last.</summary>
    internal static async Task<Ok<List<ConcertPublished>>> ListConcerts(
        SeatsDbContext database, int? limit, int? after, CancellationToken cancellationToken)
    {
        var first = after ?? int.MinValue;
        return TypedResults.Ok(await database.Concerts.Where(concert => concert.ConcertId > first).OrderBy(concert => concert.ConcertId)
            .Select(concert => new ConcertPublished(concert.ConcertId, concert.SaleOpensAt, concert.SaleClosesAt))
            .Take(Math.Clamp(limit ?? MostOnAPage, 1, MostOnAPage)).ToListAsync(cancellationToken));
    }

    /// <summary>The sale times of one concert.</summary>
    internal static async Task<Results<Ok<ConcertPublished>, NotFound>> GetConcert(
        int concertId, SeatsDbContext database, CancellationToken cancellationToken) =>
        await database.Concerts.Where(concert => concert.ConcertId == concertId)
            .Select(concert => new ConcertPublished(concert.ConcertId, concert.SaleOpensAt, concert.SaleClosesAt))
            .FirstOrDefaultAsync(cancellationToken) is { } concert ? TypedResults.Ok(concert) : TypedResults.NotFound();

    /// <summary>Tells a gateway which concert a date belongs to, so that it can refuse a pass of another one itself.</summary>
    internal static async Task<Results<Ok<ScheduleConcert>, ProblemHttpResult>> GetConcertOfSchedule(
        int scheduleId, SeatsDbContext database, CancellationToken cancellationToken) =>
        await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId)
            .Select(schedule => new ScheduleConcert(schedule.ScheduleId, schedule.ConcertId)).FirstOrDefaultAsync(cancellationToken) is { } found
            ? TypedResults.Ok(found) : ScheduleEndpoints.NotFound();
}
