using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Http.HttpResults;

namespace ConcertSaga.Operations.Owners;

/// <summary>Selects deliveries to the data platform; the dead ones without a member.</summary>
/// <param name="Status">Only deliveries with this status. Default <c>Dead</c>.</param>
/// <param name="EventType">Only deliveries of this event type.</param>
/// <param name="ReservationId">Only deliveries of this reservation.</param>
/// <param name="From">Only deliveries created at this instant or later.</param>
/// <param name="To">Only deliveries created before this instant.</param>
public sealed record DeliverySelector(
    string? Status = null, string? EventType = null, Guid? ReservationId = null, IsoInstant? From = null, IsoInstant? To = null);

internal static class RedriveEndpoints
{
    public static void MapDeliveryBulk(this IEndpointRouteBuilder routes) =>
        routes.MapOperators("/ops/api/deliveries").MapPost("/send-again", SendDeliveriesAgain).ProducesProblems(400, 503)
            .Refuses(404, RefusalCodes.OperationNotFound).Refuses(422, RefusalCodes.InvalidReason, RefusalCodes.InvalidSelection);

    /// <summary>
    /// Redrives many deliveries, with all their attempts and their full time again. A delivery that is being sent is skipped.
    /// </summary>
    internal static Task<Results<Ok<BulkSelection<JsonElement>>, Accepted<OperationStarted>, ProblemHttpResult>> SendDeliveriesAgain(
        BulkRequest<Guid, DeliverySelector> body, Caller caller, OwnerClient owners, SelectionWriter selections,
        CancellationToken cancellationToken) =>
        selections.ActAsync(OperationKind.SendAgain, body, caller, owners, cancellationToken);
}
