using System.Globalization;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>A concert as clients see it.</summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Title">What is played.</param>
/// <param name="Venue">Where.</param>
/// <param name="FirstDate">When its first date starts; null while it has none.</param>
/// <param name="LastDate">When its last date starts; null while it has none.</param>
/// <param name="SaleOpensAt">From when seats are sold.</param>
/// <param name="SaleClosesAt">Until when seats are sold.</param>
public sealed record ConcertView(
    int ConcertId, string Title, string Venue, DateTimeOffset? FirstDate, DateTimeOffset? LastDate, DateTimeOffset SaleOpensAt,
    DateTimeOffset SaleClosesAt);

/// <summary>A date of a concert as clients see it.</summary>
/// <param name="ScheduleId">The date.</param>
/// <param name="StartsAt">When it starts.</param>
/// <param name="TotalSeats">How many seats it has.</param>
/// <param name="AvailableSeats">How many of them can be reserved now.</param>
public sealed record ScheduleView(int ScheduleId, DateTimeOffset StartsAt, int TotalSeats, int AvailableSeats);

internal static class ConcertEndpoints
{
    public static void MapConcerts(this IEndpointRouteBuilder routes)
    {
        var concerts = routes.MapGroup("/api/concerts").WithTags("Concerts").ProducesProblem(StatusCodes.Status400BadRequest);
        concerts.MapGet("", ListConcerts);
        concerts.MapGet("/{concertId:int}/schedules", ListSchedules).ProducesProblem(StatusCodes.Status404NotFound);
    }

    /// <summary>All concerts, by id. Anonymous.</summary>
    internal static async Task<Ok<Page<ConcertView>>> ListConcerts(SeatsDbContext database, int? limit, string? cursor, CancellationToken cancellationToken)
    {
        var take = Paging.Limit(limit);
        var after = Paging.Cursor<int>(cursor) ?? int.MinValue;
        var concerts = await database.Concerts
            .Where(concert => concert.ConcertId > after)
            .OrderBy(concert => concert.ConcertId)
            .Select(concert => new ConcertView(
                concert.ConcertId, concert.Title, concert.Venue,
                concert.Schedules.Min(schedule => (DateTimeOffset?)schedule.StartsAt),
                concert.Schedules.Max(schedule => (DateTimeOffset?)schedule.StartsAt),
                concert.SaleOpensAt, concert.SaleClosesAt))
            .Take(take + 1)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(concerts, take, concert => concert.ConcertId));
    }

    /// <summary>
    /// The dates of a concert that have not started, in order, from <paramref name="from"/> to before <paramref name="to"/>. A pass for
    /// another concert is answered as if there were no such concert.
    /// </summary>
    internal static async Task<Results<Ok<Page<ScheduleView>>, ProblemHttpResult>> ListSchedules(
        int concertId, DateTimeOffset? from, DateTimeOffset? to, int? limit, string? cursor, Caller caller, SeatsDbContext database,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        var take = Paging.Limit(limit);
        var after = Paging.Cursor<ScheduleKey>(cursor);
        if ((caller.QueueConcertId ?? concertId) != concertId
            || !await database.Concerts.AnyAsync(concert => concert.ConcertId == concertId, cancellationToken))
            return Problems.Refuse(StatusCodes.Status404NotFound, "CONCERT_NOT_FOUND", "There is no such concert.");

        var now = clock.GetUtcNow();
        var dates = database.Schedules.Where(schedule => schedule.ConcertId == concertId && schedule.StartsAt > now);
        if (from is { } given)
        {
            var earliest = given.ToUniversalTime();
            dates = dates.Where(schedule => schedule.StartsAt >= earliest);
        }
        if (to is { } end)
        {
            var latest = end.ToUniversalTime();
            dates = dates.Where(schedule => schedule.StartsAt < latest);
        }
        if (after is { } key)
        {
            // The first condition is implied by the second, and is what an index can start from.
            dates = dates.Where(schedule => schedule.StartsAt >= key.StartsAt
                && (schedule.StartsAt > key.StartsAt || schedule.ScheduleId > key.ScheduleId));
        }
        var page = await dates
            .OrderBy(schedule => schedule.StartsAt).ThenBy(schedule => schedule.ScheduleId)
            .Select(schedule => new ScheduleView(schedule.ScheduleId, schedule.StartsAt, schedule.TotalSeats, schedule.AvailableSeats))
            .Take(take + 1)
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(Paging.Cut(page, take, schedule => new ScheduleKey(schedule.StartsAt, schedule.ScheduleId)));
    }

    /// <summary>Where a page of dates ended: several can start at the same instant.</summary>
    private readonly record struct ScheduleKey(DateTimeOffset StartsAt, int ScheduleId) : IParsable<ScheduleKey>, IFormattable
    {
        public static ScheduleKey Parse(string s, IFormatProvider? provider) => TryParse(s, provider, out var key) ? key : throw new FormatException();

        public static bool TryParse(string? s, IFormatProvider? provider, out ScheduleKey result)
        {
            result = default;
            var parts = (s ?? "").Split(':');
            if (parts.Length != 2 || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
                || ticks > DateTimeOffset.MaxValue.Ticks || !int.TryParse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var id))
                return false;
            result = new ScheduleKey(new DateTimeOffset(ticks, TimeSpan.Zero), id);
            return true;
        }

        public string ToString(string? format, IFormatProvider? formatProvider) =>
            string.Create(CultureInfo.InvariantCulture, $"{StartsAt.UtcTicks}:{ScheduleId}");
    }
}
