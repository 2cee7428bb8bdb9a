using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Contracts;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Orchestrator.Tickets;

/// <summary>The ticket of a confirmed reservation.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ConcertId">The concert.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="StartsAt">The current start of the schedule.</param>
/// <param name="Title">The title of the concert; null if it is unavailable.</param>
/// <param name="Venue">The venue; null if it is unavailable.</param>
/// <param name="TimeZone">The IANA name of the venue's time zone; null if it is unavailable.</param>
/// <param name="Holder">A pseudonym of the customer, which the door also sees.</param>
/// <param name="KeyId">The id of the key that signed the code.</param>
/// <param name="Code">The code to show at the entrance, for example as a QR code: a compact JWS, signed by ES256.</param>
public sealed record TicketView(
    Guid ReservationId, int ConcertId, int ScheduleId, int[] SeatNumbers, DateTimeOffset StartsAt, string? Title, string? Venue,
    string? TimeZone, string Holder, string KeyId, string Code);

/// <summary>The tickets of a schedule that were cancelled.</summary>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="Tickets">The claim <c>jti</c> of each cancelled ticket.</param>
public sealed record RevokedTickets(int ScheduleId, IReadOnlyList<string> Tickets);

/// <summary><c>/api/reservations/{id}/ticket</c> and <c>/api/tickets</c>.</summary>
internal static class TicketEndpoints
{
    public static void MapTickets(this IEndpointRouteBuilder routes)
    {
        var tickets = routes.MapGroup("/api").WithTags("Tickets");
        tickets.MapGet("/reservations/{id:guid}/ticket", GetTicket)
            .Refuses(404, RefusalCodes.ReservationNotFound, RefusalCodes.NotFound).Refuses(409, RefusalCodes.Conflict);
        tickets.MapGet("/tickets/keys", GetKeys);
        tickets.MapGet("/tickets/revoked/{scheduleId:int}", GetRevoked).Produces(StatusCodes.Status304NotModified);
    }

    /// <summary>Returns the ticket of a confirmed reservation of the caller.</summary>
    internal static async Task<Results<Ok<TicketView>, ProblemHttpResult>> GetTicket(
        Guid id, Caller caller, OrchestratorDbContext database, TicketKeys keys, ScheduleClient schedules,
        CancellationToken cancellationToken)
    {
        if (keys.Signing is not { } key)
            return Problems.Refuse(404, RefusalCodes.NotFound, "This installation issues no tickets.");
        if (await ReservationEndpoints.FindAsync(database, id, caller, cancellationToken) is not { } row)
            return Refusals.ReservationNotFound.Answer();
        if (row.CurrentState != ReservationStates.Confirmed)
            return ReservationRefusals.WithoutTicket(row);
        // A schedule can be moved, so the row's start is only used while Seats does not answer.
        var schedule = await schedules.FindAsync(row.ScheduleId, cancellationToken);
        var startsAt = schedule?.StartsAt?.ToUniversalTime() ?? row.StartsAt!.Value;
        return TypedResults.Ok(new TicketView(
            id, row.ConcertId!.Value, row.ScheduleId, row.SeatNumbers, startsAt, schedule?.Title, schedule?.Venue, schedule?.TimeZone,
            TicketCode.HolderOf(row, key), key.Kid, TicketCode.Write(row, startsAt, key)));
    }

    /// <summary>Returns the public keys of tickets as a JSON Web Key Set. No sign-in is needed.</summary>
    internal static Ok<TicketKeySet> GetKeys(TicketKeys keys, HttpResponse response)
    {
        response.Headers.CacheControl = "public, max-age=300";
        return TypedResults.Ok(keys.Published);
    }

    /// <summary>
    /// Lists the tickets of a schedule that were cancelled. No sign-in is needed. A caller that already has this list
    /// (<c>If-None-Match</c>) gets a 304.
    /// </summary>
    internal static async Task<Results<Ok<RevokedTickets>, StatusCodeHttpResult>> GetRevoked(
        int scheduleId, OrchestratorDbContext database, HttpContext http, CancellationToken cancellationToken)
    {
        var revoked = (await Revoked(database, scheduleId).ToListAsync(cancellationToken)).ConvertAll(TicketCode.IdOf);
        var hash = SHA256.HashData(Encoding.ASCII.GetBytes(string.Join(',', revoked)));
        var tag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(hash.AsSpan(0, 8))}\"");
        http.Response.Headers.ETag = tag.ToString();
        http.Response.Headers.CacheControl = "public, max-age=30";
        return http.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Equals(EntityTagHeaderValue.Any)
            || known.Compare(tag, useStrongComparison: false))
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : TypedResults.Ok(new RevokedTickets(scheduleId, revoked));
    }

    /// <summary>
    /// The query of the list. A filtered index serves it. The outcome is set when a cancellation begins, so the list has a ticket before
    /// its seats are free.
    /// </summary>
    internal static IQueryable<Guid> Revoked(OrchestratorDbContext database, int scheduleId) => database.Reservations
        .Where(row => row.ScheduleId == scheduleId && row.Outcome == ReservationStates.Cancelled && row.ConfirmedAt != null)
        .OrderBy(row => row.CorrelationId).Select(row => row.CorrelationId);
}
