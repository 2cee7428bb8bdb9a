using System.Globalization;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>All seats of a schedule at one moment.</summary>
/// <param name="ScheduleId">The schedule's id.</param>
/// <param name="Version">Grows by one with each change; also the <c>ETag</c>.</param>
/// <param name="Seats">The seats, by number.</param>
/// <param name="StartsAt">The start of the performance.</param>
/// <param name="Cancelled">Whether the performance is cancelled. No seat can be reserved then.</param>
public sealed record SeatMap(int ScheduleId, long Version, IReadOnlyList<SeatView> Seats, DateTimeOffset StartsAt, bool Cancelled);

/// <summary>One seat of a <see cref="SeatMap"/>.</summary>
/// <param name="Number">The seat's number.</param>
/// <param name="Price">The price in points.</param>
/// <param name="Status">Whether the seat can be reserved.</param>
public sealed record SeatView(int Number, long Price, SeatStatus Status);

internal static class ScheduleEndpoints
{
    private const int FlushThresholdBytes = 32 * 1024;

    // The member names of SeatMap and SeatView, encoded once.
    private static readonly JsonEncodedText ScheduleIdMember = Member(nameof(SeatMap.ScheduleId));
    private static readonly JsonEncodedText VersionMember = Member(nameof(SeatMap.Version));
    private static readonly JsonEncodedText SeatsMember = Member(nameof(SeatMap.Seats));
    private static readonly JsonEncodedText StartsAtMember = Member(nameof(SeatMap.StartsAt));
    private static readonly JsonEncodedText CancelledMember = Member(nameof(SeatMap.Cancelled));
    private static readonly JsonEncodedText NumberMember = Member(nameof(SeatView.Number));
    private static readonly JsonEncodedText PriceMember = Member(nameof(SeatView.Price));
    private static readonly JsonEncodedText StatusMember = Member(nameof(SeatView.Status));

    private static readonly JsonEncodedText[] StatusTexts = [.. Enum.GetNames<SeatStatus>().Select(name => JsonEncodedText.Encode(name))];

    public static void MapSchedules(this IEndpointRouteBuilder routes)
    {
        var schedules = routes.MapGroup("/api/schedules").WithTags("Schedules").ProducesProblem(StatusCodes.Status400BadRequest);
        schedules.MapGet("/{scheduleId:int}/seats", GetSeats)
            .Produces<SeatMap>().Produces(StatusCodes.Status304NotModified).Refuses(404, RefusalCodes.ScheduleNotFound);
    }

    /// <summary>
    /// Returns the current seat map of a schedule. A caller that already has this version (<c>If-None-Match</c>) gets a 304. A pass for
    /// another concert gets a 404, as if the schedule did not exist.
    /// </summary>
    internal static async Task<Results<EmptyHttpResult, StatusCodeHttpResult, ProblemHttpResult>> GetSeats(
        int scheduleId, Caller caller, SeatsDbContext database, HttpContext http, CancellationToken cancellationToken)
    {
        var schedules = database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId);
        var known = http.Request.GetTypedHeaders().IfNoneMatch;
        if (known.Count > 0)
        {
            var current = await schedules.Select(schedule => new { schedule.ConcertId, schedule.Version })
                .FirstOrDefaultAsync(cancellationToken);
            if (current is null || IsHidden(caller, current.ConcertId))
                return NotFound();
            var tag = ETag(current.Version);
            if (known.Any(entry => entry.Equals(EntityTagHeaderValue.Any) || entry.Compare(tag, useStrongComparison: false)))
            {
                WriteHeaders(http.Response, tag);
                return TypedResults.StatusCode(StatusCodes.Status304NotModified);
            }
        }

        for (var isSecondTry = false; ; isSecondTry = true)
        {
            await using (var seats = Seats(database, scheduleId).GetAsyncEnumerator(cancellationToken))
            {
                if (await seats.MoveNextAsync())
                {
                    if (IsHidden(caller, seats.Current.ConcertId))
                        return NotFound();
                    await WriteAsync(http.Response, schedules, scheduleId, seats.Current.Version, seats, cancellationToken);
                    return TypedResults.Empty;
                }
            }
            var empty = await schedules.Select(schedule => new { schedule.ConcertId, schedule.Version, schedule.TotalSeats })
                .FirstOrDefaultAsync(cancellationToken);
            if (empty is null || IsHidden(caller, empty.ConcertId))
                return NotFound();
            // Otherwise an import added the first seats between the two queries, so they are read again.
            if (empty.TotalSeats == 0 || isSecondTry)
            {
                await WriteAsync(http.Response, schedules, scheduleId, empty.Version, null, cancellationToken);
                return TypedResults.Empty;
            }
        }
    }

    internal static ProblemHttpResult NotFound() => Refusals.ScheduleNotFound.Answer();

    private static bool IsHidden(Caller caller, int concertId) => (caller.QueueConcertId ?? concertId) != concertId;

    // One statement, so seats and version belong to the same moment. SQL Server needs READ_COMMITTED_SNAPSHOT for that, which the
    // database is created with. The query starts from the seats, whose key already has the right order.
    private static IAsyncEnumerable<MapRow> Seats(SeatsDbContext database, int scheduleId) =>
        database.Seats.Where(seat => seat.ScheduleId == scheduleId).OrderBy(seat => seat.Number)
            .Select(seat => new MapRow(seat.Schedule!.ConcertId, seat.Schedule.Version, seat.Number, seat.Price, seat.Status))
            .AsAsyncEnumerable();

    // Streams the seats, so a large hall needs no more memory than a small one.
    private static async Task WriteAsync(
        HttpResponse response, IQueryable<Schedule> schedules, int scheduleId, long version, IAsyncEnumerator<MapRow>? seats,
        CancellationToken cancellationToken)
    {
        WriteHeaders(response, ETag(version));
        response.ContentType = "application/json; charset=utf-8";
        await using var json = new Utf8JsonWriter(response.Body);
        json.WriteStartObject();
        json.WriteNumber(ScheduleIdMember, scheduleId);
        json.WriteNumber(VersionMember, version);
        json.WriteStartArray(SeatsMember);
        for (var hasSeat = seats is not null; hasSeat; hasSeat = await seats!.MoveNextAsync())
        {
            json.WriteStartObject();
            json.WriteNumber(NumberMember, seats!.Current.Number);
            json.WriteNumber(PriceMember, seats.Current.Price);
            json.WriteString(StatusMember, StatusTexts[(int)seats.Current.Status]);
            json.WriteEndObject();
            if (json.BytesPending >= FlushThresholdBytes)
                await json.FlushAsync(cancellationToken);
        }
        json.WriteEndArray();
        // A query of its own, because the first one would repeat it for each seat. It comes last: what it reads may be newer than the
        // version, but never older, and a change raises the version.
        if (seats is not null)
            await seats.DisposeAsync();
        var schedule = await schedules.Select(row => new { row.StartsAt, row.CancelledAt }).SingleAsync(cancellationToken);
        json.WriteString(StartsAtMember, schedule.StartsAt);
        json.WriteBoolean(CancelledMember, schedule.CancelledAt is not null);
        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
    }

    private static JsonEncodedText Member(string property) => JsonEncodedText.Encode(JsonNamingPolicy.CamelCase.ConvertName(property));

    private static EntityTagHeaderValue ETag(long version) => new(string.Create(CultureInfo.InvariantCulture, $"\"{version}\""));

    // Only the caller may store the map, and must revalidate it each time.
    private static void WriteHeaders(HttpResponse response, EntityTagHeaderValue tag)
    {
        response.Headers.ETag = tag.ToString();
        response.Headers.CacheControl = "no-cache, private";
    }

    private readonly record struct MapRow(int ConcertId, long Version, int Number, long Price, SeatStatus Status);
}
