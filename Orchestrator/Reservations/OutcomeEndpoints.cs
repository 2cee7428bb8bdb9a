using System.Buffers.Text;
using System.Globalization;
using System.Text;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>What other services ask for. Not routed by any gateway.</summary>
internal static class OutcomeEndpoints
{
    private const int MostOnAPage = 1_000;

    private const string InstantFormat = "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK";

    public static void MapOutcomes(this IEndpointRouteBuilder routes) => routes.MapGet("/internal/outcomes", ListOutcomes);

    /// <summary>
    /// The reservations that are confirmed, or were before they were cancelled, in the order in which they last changed: those that changed
    /// at <paramref name="since"/> or later, on the page after the cursor <paramref name="after"/>. A row can become visible some time after
    /// its <c>UpdatedAt</c>, which is taken before the commit, and behind a cursor that has moved on; so whoever must miss nothing reads the
    /// last minutes again.
    /// </summary>
    internal static async Task<Ok<ReservationOutcomes>> ListOutcomes(
        string? since, string? after, int? limit, OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        var take = limit ?? MostOnAPage;
        if (take is < 1 or > MostOnAPage)
            throw new BadHttpRequestException($"limit must be between 1 and {MostOnAPage}.");
        var rows = await Outcomes(database, Instant(since), Position(after), take + 1).ToListAsync(cancellationToken);
        return TypedResults.Ok(rows.Count <= take ? new ReservationOutcomes([.. rows], null) : new ReservationOutcomes([.. rows.Take(take)], Cursor(rows[take - 1])));
    }

    /// <summary>The query behind it, served by an index of just these rows.</summary>
    internal static IQueryable<ReservationOutcome> Outcomes(
        OrchestratorDbContext database, DateTimeOffset? since, (DateTimeOffset UpdatedAt, Guid ReservationId)? after, int count)
    {
        // What is being undone is not told of: it will be, as cancelled.
        var rows = database.Reservations.Where(row => row.ConfirmedAt != null
            && (row.CurrentState == ReservationStates.Confirmed || row.CurrentState == ReservationStates.Cancelled));
        if (since is { } first)
            rows = rows.Where(row => row.UpdatedAt >= first);
        if (after is var (updatedAt, id))
            // The first part says where in the index to begin.
            rows = rows.Where(row => row.UpdatedAt >= updatedAt && (row.UpdatedAt > updatedAt || row.CorrelationId > id));
        return rows.OrderBy(row => row.UpdatedAt).ThenBy(row => row.CorrelationId).Take(count).Select(row => new ReservationOutcome(
            row.CorrelationId, row.UserId, row.ConcertId!.Value, row.ScheduleId, row.SeatNumbers, row.TotalPrice!.Value, row.QueueTokenId,
            row.CurrentState, row.ConfirmedAt!.Value,
            // Being cancelled is the last that happens to a reservation.
            row.CurrentState == ReservationStates.Cancelled ? (DateTimeOffset?)row.UpdatedAt : null, row.UpdatedAt,
            row.CurrentState == ReservationStates.Cancelled ? 2 : 1));
    }

    private static DateTimeOffset? Instant(string? since) =>
        since is null ? null
        : DateTimeOffset.TryParseExact(since, InstantFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var instant)
            ? instant : throw new BadHttpRequestException("since must be an instant such as 2026-11-23T14:46:34Z.");

    private static string Cursor(ReservationOutcome last) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{last.UpdatedAt.UtcTicks}/{last.ReservationId}")));

    private static (DateTimeOffset, Guid)? Position(string? after)
    {
        if (after is null)
            return null;
        if (Base64Url.IsValid(after) && Encoding.UTF8.GetString(Base64Url.DecodeFromChars(after)).Split('/') is [var time, var id]
            && long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) && ticks <= DateTimeOffset.MaxValue.UtcTicks
            && Guid.TryParseExact(id, "D", out var reservationId))
            return (new DateTimeOffset(ticks, TimeSpan.Zero), reservationId);
        throw new BadHttpRequestException("after is not a cursor this list gave out.");
    }
}
