using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Endpoints;

/// <summary>Which line to stand in.</summary>
/// <param name="ConcertId">The concert.</param>
public sealed record EnterRequest(int ConcertId);

internal static class TokenEndpoints
{
    // As long as the column; longer than any issuer's subject.
    private const int LongestUserId = 200;

    public static void MapTokens(this IEndpointRouteBuilder routes)
    {
        var tokens = routes.MapGroup("/api/queue/tokens").WithTags("Queue").ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);
        tokens.MapPost("", Enter).ProducesProblems(404, 409);
        tokens.MapGet("/current", Current).ProducesProblems(401, 403, 410);
        tokens.MapDelete("/current", Leave).ProducesProblems(401, 403, 410);
    }

    /// <summary>
    /// Enters the line of a concert: 201 with a new place at its end, or 200 with the place the caller has already, from whatever device.
    /// Answered only when the place is written down.
    /// </summary>
    internal static async Task<Results<Created<QueueTokenView>, Ok<QueueTokenView>, ProblemHttpResult>> Enter(
        EnterRequest request, Caller caller, Entries entries, Concerts concerts, TokenViews views, HttpContext http)
    {
        if (caller.UserId.Length > LongestUserId)
            return Problems.Refuse(StatusCodes.Status400BadRequest, "BAD_REQUEST", "The subject of this bearer token is too long.");
        try
        {
            var entered = await entries.EnterAsync(request.ConcertId, caller.UserId);
            if (entered is { Room: null } && await concerts.LookUpAsync(request.ConcertId))
                entered = await entries.EnterAsync(request.ConcertId, caller.UserId);
            switch (entered)
            {
                case null:
                    return Unavailable(http, "Too many people are entering at this moment.");
                case { Room: null }:
                    return Problems.Refuse(StatusCodes.Status404NotFound, "CONCERT_NOT_FOUND", "There is no such concert.");
                case { Token: null }:
                    return Problems.Refuse(StatusCodes.Status409Conflict, "SALE_CLOSED", "The sale of this concert is over.");
                default:
                    var view = await views.OfAsync(entered.Token, entered.Room, http.RequestAborted);
                    return entered.IsNew ? TypedResults.Created("/api/queue/tokens/current", view) : TypedResults.Ok(view);
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException or TimeoutException || FailurePolicy.IsTransient(exception))
        {
            http.RequestAborted.ThrowIfCancellationRequested();
            return Unavailable(http, "The waiting room does not answer at this moment.");
        }
    }

    /// <summary>
    /// The caller's token as it is now. Where a pass is offered, this takes it; repeats give the same pass. Who comes too late, or has left
    /// or bought, gets a 410.
    /// </summary>
    internal static async Task<Results<Ok<QueueTokenView>, ProblemHttpResult>> Current(
        Caller caller, Places places, TokenViews views, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (caller is not { QueueTokenId: { } tokenId, QueueConcertId: { } concertId })
            return Missing();
        var place = await places.ClaimAsync(tokenId, concertId, caller.UserId, cancellationToken);
        if (place is null)
            return Unknown();
        var now = clock.GetUtcNow();
        return place.Token.Status switch
        {
            QueueTokenStatus.Completed or QueueTokenStatus.Left => Revoked(),
            QueueTokenStatus.Expired or QueueTokenStatus.Offered => Expired(),
            QueueTokenStatus.Active when place.Token.BookUntil <= now => Expired(),
            _ => TypedResults.Ok(await views.OfAsync(place.Token, place.Room, cancellationToken))
        };
    }

    /// <summary>Gives the place or the pass up. Who enters again stands at the end.</summary>
    internal static async Task<Results<NoContent, ProblemHttpResult>> Leave(Caller caller, Places places, CancellationToken cancellationToken)
    {
        if (caller is not { QueueTokenId: { } tokenId, QueueConcertId: { } concertId })
            return Missing();
        return (await places.LeaveAsync(tokenId, concertId, caller.UserId, cancellationToken))?.Status switch
        {
            null => Unknown(),
            QueueTokenStatus.Left => TypedResults.NoContent(),
            QueueTokenStatus.Completed => Revoked(),
            _ => Expired()
        };
    }

    private static ProblemHttpResult Missing() => Problems.Refuse(
        StatusCodes.Status400BadRequest, "QUEUE_TOKEN_MISSING", "Send the queue token in the header X-Queue-Token. Enter with POST /api/queue/tokens.");

    private static ProblemHttpResult Unknown() =>
        Problems.Refuse(StatusCodes.Status401Unauthorized, "QUEUE_TOKEN_INVALID", "This is not a queue token of the caller.");

    private static ProblemHttpResult Expired() =>
        Problems.Refuse(StatusCodes.Status410Gone, "QUEUE_TOKEN_EXPIRED", "The time of this queue token is over. Enter again.");

    private static ProblemHttpResult Revoked() => Problems.Refuse(
        StatusCodes.Status410Gone, "QUEUE_TOKEN_REVOKED", "This queue token has ended with a reservation, or was given up. Enter again.");

    private static ProblemHttpResult Unavailable(HttpContext http, string detail)
    {
        http.Response.Headers.RetryAfter = "1";
        return Problems.Refuse(StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE", detail);
    }
}

/// <summary>Tokens as clients see them.</summary>
internal sealed class TokenViews(TokenSigner signer, Rooms rooms, IOptions<QueueOptions> options, TimeProvider clock)
{
    public async Task<QueueTokenView> OfAsync(QueueToken token, QueueCounter room, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        return token.Status == QueueTokenStatus.Active
            ? QueueTokenView.Active(
                await signer.PassAsync(token, cancellationToken), token.TokenId, token.ConcertId, token.BookUntil!.Value, rooms.AdmissionOf(room, now))
            : QueueTokenView.Waiting(
                await signer.WaitingAsync(token, cancellationToken), token.TokenId, token.Number, token.Exp, rooms.Describe(room, now),
                options.Value.PollBudget, now, (2 * Random.Shared.NextDouble()) - 1);
    }
}
