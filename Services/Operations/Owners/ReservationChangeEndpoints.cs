using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Operations.Owners;

/// <summary>Selects reservations, as the list of operators does; all that can be changed without a member.</summary>
/// <param name="State">Only reservations in this state of the saga.</param>
/// <param name="Status">Only reservations with this status.</param>
/// <param name="UserId">Only reservations of this customer.</param>
/// <param name="ConcertId">Only reservations of this concert.</param>
/// <param name="ScheduleId">Only reservations of this schedule.</param>
/// <param name="Seat">Only reservations of this seat; needs <paramref name="ScheduleId"/>.</param>
/// <param name="FailureCode">Only reservations with this failure.</param>
/// <param name="Stuck">Whether the current step is unanswered after all its attempts.</param>
/// <param name="Retrying">Whether the current command was sent more than once.</param>
/// <param name="CreatedFrom">Only reservations requested at this instant or later.</param>
/// <param name="CreatedTo">Only reservations requested before this instant.</param>
public sealed record ReservationSelector(
    string? State = null, string? Status = null, string? UserId = null, int? ConcertId = null, int? ScheduleId = null, int? Seat = null,
    string? FailureCode = null, bool? Stuck = null, bool? Retrying = null, IsoInstant? CreatedFrom = null, IsoInstant? CreatedTo = null);

internal static class ReservationChangeEndpoints
{
    public static void MapReservationBulk(this IEndpointRouteBuilder routes)
    {
        var reservations = routes.MapOperators("/ops/api/reservations");
        reservations.MapPost("/retry", RetryReservations).ProducesProblems(400, 503).Refuses(404, RefusalCodes.OperationNotFound)
            .Refuses(422, RefusalCodes.InvalidReason, RefusalCodes.InvalidSelection);
        reservations.MapPost("/cancel", CancelReservations).ProducesProblems(400, 503).Refuses(404, RefusalCodes.OperationNotFound)
            .Refuses(422, RefusalCodes.InvalidReason, RefusalCodes.InvalidSelection);
    }

    /// <summary>
    /// Resends the current command of many reservations. A filter matches only those that await a reply. A reservation that has moved on
    /// meanwhile is skipped.
    /// </summary>
    internal static Task<Results<Ok<BulkSelection<JsonElement>>, Accepted<OperationStarted>, ProblemHttpResult>> RetryReservations(
        BulkRequest<Guid, ReservationSelector> body, Caller caller, OwnerClient owners, SelectionWriter selections,
        CancellationToken cancellationToken) =>
        selections.ActAsync(OperationKind.Retry, body, caller, owners, cancellationToken);

    /// <summary>
    /// Cancels many reservations, also after the cut-off. A filter matches only those that can be cancelled. An item has succeeded when the
    /// reservation is being cancelled; its compensation may still go on.
    /// </summary>
    internal static Task<Results<Ok<BulkSelection<JsonElement>>, Accepted<OperationStarted>, ProblemHttpResult>> CancelReservations(
        BulkRequest<Guid, ReservationSelector> body, Caller caller, OwnerClient owners, SelectionWriter selections,
        CancellationToken cancellationToken) =>
        selections.ActAsync(OperationKind.Cancel, body, caller, owners, cancellationToken);

    /// <summary>Selects objects of another owner, or starts an operation on them.</summary>
    public static Task<Results<Ok<BulkSelection<JsonElement>>, Accepted<OperationStarted>, ProblemHttpResult>> ActAsync<TFilter>(
        this SelectionWriter selections, OperationKind kind, BulkRequest<Guid, TFilter> body, Caller caller, OwnerClient owners,
        CancellationToken cancellationToken)
        where TFilter : class =>
        selections.ActAsync(kind, body, caller.UserId, async (request, limit) =>
        {
            var shown = request.Ids?.Take(SelectionWriter.SampleSize).ToArray();
            var chosen = await owners.ChooseAsync(kind,
                new BulkChoice<TFilter>(kind.ToString(), limit, SelectionWriter.SampleSize, request.Filter, shown), cancellationToken);
            return request.Ids is { } ids ? chosen with { Ids = ids } : chosen;
        }, cancellationToken);
}
