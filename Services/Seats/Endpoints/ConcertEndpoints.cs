using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>A concert as clients see it.</summary>
/// <param name="ConcertId">The concert's id.</param>
/// <param name="Title">The title of the show.</param>
/// <param name="Venue">The place of the show.</param>
/// <param name="FirstDate">The start of the first schedule; null while there is none.</param>
/// <param name="LastDate">The start of the last schedule; null while there is none.</param>
/// <param name="SaleOpensAt">The start of the sale.</param>
/// <param name="SaleClosesAt">The end of the sale.</param>
/// <param name="TimeZone">The IANA name of the venue's time zone. Show the times of the concert in it.</param>
public sealed record ConcertView(
    int ConcertId, string Title, string Venue, DateTimeOffset? FirstDate, DateTimeOffset? LastDate, DateTimeOffset SaleOpensAt,
    DateTimeOffset SaleClosesAt, string TimeZone);

/// <summary>A schedule of a concert as clients see it.</summary>
/// <param name="ScheduleId">The schedule's id.</param>
/// <param name="StartsAt">The start of the performance.</param>
/// <param name="TotalSeats">The number of seats.</param>
/// <param name="AvailableSeats">The number of seats that can be reserved now.</param>
/// <param name="TimeZone">The IANA name of the venue's time zone. Show the start in it.</param>
/// <param name="Cancelled">Whether the performance is cancelled. No seat can be reserved then.</param>
public sealed record ScheduleView(
    int ScheduleId, DateTimeOffset StartsAt, int TotalSeats, int AvailableSeats, string TimeZone, bool Cancelled);

internal static class ConcertEndpoints
{
    public static void MapConcerts(this IEndpointRouteBuilder routes)
    {
        var concerts = routes.MapGroup("/api/concerts").WithTags("Concerts").ProducesProblem(StatusCodes.Status400BadRequest);
        concerts.MapGet("", ListConcerts);
        concerts.MapGet("/{concertId:int}/schedules", ListSchedules).Refuses(404, RefusalCodes.ConcertNotFound);
    }

    /// <summary>Lists all concerts by id. No sign-in is needed.</summary>
    internal static async Task<Ok<Page<ConcertView>>> ListConcerts(
        SeatsDbContext database, [Range(1, Paging.MaxLimit)] int? limit, string? cursor, CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var after = Paging.Cursor<int>(cursor) ?? int.MinValue;
        var concerts = await database.Concerts
            .Where(concert => concert.ConcertId > after)
            .OrderBy(concert => concert.ConcertId)
            .Select(concert => new ConcertView(
                concert.ConcertId, concert.Title, concert.Venue,
                concert.Schedules.Min(schedule => (DateTimeOffset?)schedule.StartsAt),
                concert.Schedules.Max(schedule => (DateTimeOffset?)schedule.StartsAt),
                concert.SaleOpensAt, concert.SaleClosesAt, concert.TimeZone))
            .Take(take + 1)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(concerts, take, concert => concert.ConcertId));
    }

    /// <summary>
    /// Lists the schedules of a concert that have not started, by their start, from <paramref name="from"/> to before
    /// <paramref name="to"/>. A pass for another concert gets a 404, as if the concert did not exist.
    /// </summary>
    internal static async Task<Results<Ok<Page<ScheduleView>>, ProblemHttpResult>> ListSchedules(
        int concertId, IsoInstant? from, IsoInstant? to, [Range(1, Paging.MaxLimit)] int? limit, string? cursor, Caller caller,
        SeatsDbContext database, TimeProvider clock, CancellationToken cancellationToken)
    {
        var take = limit ?? Paging.DefaultLimit;
        var after = Paging.Cursor<InstantKey<int>>(cursor);
        if ((caller.QueueConcertId ?? concertId) != concertId
            || await database.Concerts.Where(concert => concert.ConcertId == concertId).Select(concert => concert.TimeZone)
                .FirstOrDefaultAsync(cancellationToken) is not { } timeZone)
            return Refusals.ConcertNotFound.Answer();

        var now = clock.GetUtcNow();
        var schedules = database.Schedules.Where(schedule => schedule.ConcertId == concertId && schedule.StartsAt > now);
        if (from is { } fromInstant)
        {
            var earliest = fromInstant.Value;
            schedules = schedules.Where(schedule => schedule.StartsAt >= earliest);
        }
        if (to is { } toInstant)
        {
            var end = toInstant.Value;
            schedules = schedules.Where(schedule => schedule.StartsAt < end);
        }
        if (after is { } key)
        {
            // The second condition implies the first, which gives the index its start.
            schedules = schedules.Where(schedule => schedule.StartsAt >= key.At
                && (schedule.StartsAt > key.At || schedule.ScheduleId > key.Id));
        }
        var page = await schedules
            .OrderBy(schedule => schedule.StartsAt).ThenBy(schedule => schedule.ScheduleId)
            .Select(schedule => new ScheduleView(
                schedule.ScheduleId, schedule.StartsAt, schedule.TotalSeats,
                schedule.CancelledAt == null ? schedule.AvailableSeats : 0, timeZone, schedule.CancelledAt != null))
            .Take(take + 1)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(page, take, schedule => new InstantKey<int>(schedule.StartsAt, schedule.ScheduleId)));
    }
}
