using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Serves the outcomes of paid reservations to other services. The gateway does not route here.</summary>
internal static class OutcomeEndpoints
{
    private const int MaxPageSize = 1_000;

    public static void MapOutcomes(this IEndpointRouteBuilder routes) => routes.MapGet("/internal/outcomes", ListOutcomes);

    /// <summary>
    /// Lists reservations that are confirmed, or were before they were cancelled, in the order of their last change: those that changed
    /// at <paramref name="since"/> or later, from the cursor <paramref name="after"/> on. <c>UpdatedAt</c> is set before the commit, so a
    /// row may become visible behind a cursor that has moved on. A reader that must not miss any rereads the last minutes.
    /// </summary>
    internal static async Task<Ok<ReservationOutcomes>> ListOutcomes(
        IsoInstant? since, string? after, [Range(1, MaxPageSize)] int? limit, OrchestratorDbContext database,
        CancellationToken cancellationToken)
    {
        var take = limit ?? MaxPageSize;
        var key = Paging.Cursor<InstantKey<Guid>>(after, nameof(after));
        var rows = await Outcomes(database, since?.Value, key, take + 1).ToListAsync(cancellationToken);
        var page = Paging.Cut(rows, take, row => new InstantKey<Guid>(row.UpdatedAt, row.ReservationId));
        return TypedResults.Ok(new ReservationOutcomes([.. page.Items], page.NextCursor));
    }

    /// <summary>The query of the route. A filtered index of these rows serves it.</summary>
    internal static IQueryable<ReservationOutcome> Outcomes(
        OrchestratorDbContext database, DateTimeOffset? since, InstantKey<Guid>? after, int count)
    {
        // A reservation that is being cancelled is left out until it is cancelled.
        var rows = database.Reservations.Where(row => row.ConfirmedAt != null
            && (row.CurrentState == ReservationStates.Confirmed || row.CurrentState == ReservationStates.Cancelled));
        if (since is { } first)
            rows = rows.Where(row => row.UpdatedAt >= first);
        if (after is var (updatedAt, id))
            // The first condition bounds the index scan.
            rows = rows.Where(row => row.UpdatedAt >= updatedAt && (row.UpdatedAt > updatedAt || row.CorrelationId > id));
        return rows.OrderBy(row => row.UpdatedAt).ThenBy(row => row.CorrelationId).Take(count).Select(row => new ReservationOutcome(
            row.CorrelationId, row.UserId, row.ConcertId!.Value, row.ScheduleId, row.SeatNumbers, row.TotalPrice!.Value, row.QueueTokenId,
            row.CurrentState, row.ConfirmedAt!.Value,
            // A cancelled reservation never changes again.
            row.CurrentState == ReservationStates.Cancelled ? (DateTimeOffset?)row.UpdatedAt : null, row.UpdatedAt,
            row.CurrentState == ReservationStates.Cancelled ? 2 : 1));
    }
}
