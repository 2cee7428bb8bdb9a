using System.Globalization;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Catalogue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Tokens;
using ConcertSaga.Shared.Hosting.Failures;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Queue.Line;

/// <summary>A request to enter a waiting room.</summary>
/// <param name="ConcertId">The concert.</param>
public sealed record EnterRequest(int ConcertId);

internal static class TokenEndpoints
{
    public static void MapTokens(this IEndpointRouteBuilder routes)
    {
        var tokens = routes.MapGroup("/api/queue/tokens").WithTags("Queue").ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);
        tokens.MapPost("", Enter).Refuses(404, RefusalCodes.ConcertNotFound).Refuses(409, RefusalCodes.SaleClosed);
        tokens.MapGet("/current", Current).ProducesProblems(401, 403, 410);
        tokens.MapDelete("/current", Leave).ProducesProblems(401, 403, 410);
    }

    /// <summary>
    /// Enters the waiting room of a concert. The answer is 201 with a new entry at the end of the line, or 200 with the caller's existing
    /// entry, from any device. It arrives after the entry is committed.
    /// </summary>
    internal static async Task<Results<Created<QueueTokenView>, Ok<QueueTokenView>, ProblemHttpResult>> Enter(
        EnterRequest request, Caller caller, EntryWriter entries, ConcertCatalogue concerts, TokenViewFactory views, HttpContext http)
    {
        try
        {
            var result = await entries.EnterAsync(request.ConcertId, caller.UserId);
            if (result is { Room: null } && await concerts.LookUpAsync(request.ConcertId))
                result = await entries.EnterAsync(request.ConcertId, caller.UserId);
            switch (result)
            {
                case null:
                    return Unavailable(http, "Too many customers are entering. Wait as long as Retry-After says, then try again.");
                case { Room: null }:
                    return Refusals.ConcertNotFound.Answer();
                case { RetryAfter: { } wait }:
                    http.Response.Headers.RetryAfter = ((long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
                    return Problems.Refuse(StatusCodes.Status429TooManyRequests, RefusalCodes.TooManyRequests,
                        "You have entered and left this waiting room too often. Wait as long as Retry-After says, then enter again.");
                case { Entry: null }:
                    return Refusals.SaleClosed.Answer();
                default:
                    var view = await views.CreateAsync(result.Entry, result.Room, http.RequestAborted);
                    return result.IsNew ? TypedResults.Created("/api/queue/tokens/current", view) : TypedResults.Ok(view);
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException or TimeoutException
            || FailurePolicy.IsTransient(exception))
        {
            http.RequestAborted.ThrowIfCancellationRequested();
            return Unavailable(http, "The waiting room is not available right now. Wait as long as Retry-After says, then try again.");
        }
    }

    /// <summary>
    /// Returns the caller's current token. If a pass is offered, the call claims it; repeated calls return the same pass. The answer is 410
    /// after the offer or pass has expired, and after the customer has left or bought.
    /// </summary>
    internal static async Task<Results<Ok<QueueTokenView>, ProblemHttpResult>> Current(
        Caller caller, EntryUpdater entries, TokenViewFactory views, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (caller is not { QueueTokenId: { } tokenId, QueueConcertId: { } concertId })
            return Refusals.QueueTokenMissing.Answer();
        if (caller.QueueRefusal is { } refusal)
            return Refusals.OfQueueToken(refusal).Answer();
        var claimed = await entries.ClaimAsync(tokenId, concertId, caller.UserId, cancellationToken);
        if (claimed is null)
            return Refusals.QueueTokenInvalid.Answer();
        var now = clock.GetUtcNow();
        return claimed.Entry.Status switch
        {
            QueueEntryStatus.Completed or QueueEntryStatus.Left => Refusals.QueueTokenRevoked.Answer(),
            QueueEntryStatus.Expired or QueueEntryStatus.Offered => Refusals.QueueTokenExpired.Answer(),
            QueueEntryStatus.Active when claimed.Entry.BookUntil <= now => Refusals.QueueTokenExpired.Answer(),
            _ => TypedResults.Ok(await views.CreateAsync(claimed.Entry, claimed.Room, cancellationToken))
        };
    }

    /// <summary>Leaves the waiting room, or gives up the pass. A customer who enters again starts at the end of the line.</summary>
    internal static async Task<Results<NoContent, ProblemHttpResult>> Leave(
        Caller caller, EntryUpdater entries, CancellationToken cancellationToken)
    {
        if (caller is not { QueueTokenId: { } tokenId, QueueConcertId: { } concertId })
            return Refusals.QueueTokenMissing.Answer();
        // A token that the gateway refuses ends nothing. But a repeat of the call that ended it gets the first answer again.
        var entry = caller.QueueRefusal is null ? await entries.LeaveAsync(tokenId, concertId, caller.UserId, cancellationToken)
            : await entries.FindAsync(tokenId, concertId, caller.UserId, cancellationToken);
        if (caller.QueueRefusal is { } refusal && entry?.Status is not (QueueEntryStatus.Left or QueueEntryStatus.Completed))
            return Refusals.OfQueueToken(refusal).Answer();
        return entry?.Status switch
        {
            null => Refusals.QueueTokenInvalid.Answer(),
            QueueEntryStatus.Left => TypedResults.NoContent(),
            QueueEntryStatus.Completed => Refusals.QueueTokenRevoked.Answer(),
            _ => Refusals.QueueTokenExpired.Answer()
        };
    }

    private static ProblemHttpResult Unavailable(HttpContext http, string detail)
    {
        http.Response.Headers.RetryAfter = "1";
        return Problems.Refuse(StatusCodes.Status503ServiceUnavailable, RefusalCodes.Unavailable, detail);
    }
}
