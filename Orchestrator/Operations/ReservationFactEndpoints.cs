using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>Serves reservations to Operations, which compares them with the rows of the other owners.</summary>
internal static class ReservationFactEndpoints
{
    private const int MaxPageSize = 1_000;

    public static void MapReservationFacts(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/internal/facts/reservations", ListReservationKeys);
        routes.MapGet("/internal/facts/unfinished", ListUnfinishedKeys);
        routes.MapPost("/internal/facts/reservations", ReadReservationFacts);
    }

    /// <summary>Lists the ids of all reservations.</summary>
    internal static async Task<Ok<FactKeys>> ListReservationKeys(
        [Range(1, MaxPageSize)] int? limit, Guid? after, OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        var (take, first) = (limit ?? MaxPageSize, after ?? Guid.Empty);
        var ids = await database.Reservations.Where(row => row.CorrelationId > first).OrderBy(row => row.CorrelationId)
            .Select(row => row.CorrelationId).Take(take).ToListAsync(cancellationToken);
        return TypedResults.Ok(new FactKeys([.. ids.Select(id => $"{id}")], ids.Count == take ? $"{ids[^1]}" : null));
    }

    /// <summary>Lists the ids of the reservations that have a deadline, the oldest first.</summary>
    internal static async Task<Ok<FactKeys>> ListUnfinishedKeys(
        [Range(1, MaxPageSize)] int? limit, string? after, OrchestratorDbContext database, CancellationToken cancellationToken)
    {
        var take = limit ?? MaxPageSize;
        var filter = new ReservationFilter { Order = ReservationOrder.Oldest };
        var key = Paging.Cursor<InstantKey<Guid>>(after, nameof(after));
        var keys = await filter.Unfinished(database, key, take + 1)
            .Select(row => new InstantKey<Guid>(row.CreatedAt, row.CorrelationId)).ToListAsync(cancellationToken);
        var page = Paging.Cut(keys, take, last => last);
        return TypedResults.Ok(new FactKeys([.. page.Items.Select(row => $"{row.Id}")], page.NextCursor));
    }

    /// <summary>Reads the reservations with these ids. Unknown ones are left out.</summary>
    internal static async Task<Ok<SagaFacts>> ReadReservationFacts(
        FactRequest body, OrchestratorDbContext database, IOptions<ReservationOptions> options, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var ids = body.Ids;
        // Before the rows are read, so that it covers every deletion that they show.
        var keptSince = clock.GetUtcNow() - options.Value.Retention;
        return TypedResults.Ok(new SagaFacts(await database.Reservations.Where(row => ids.Contains(row.CorrelationId))
            .Select(row => new ReservationFact(row.CorrelationId, row.CurrentState, row.UserId, row.ScheduleId, row.SeatNumbers,
                row.TotalPrice, row.QueueTokenId, row.Deadline, row.ConfirmedAt, row.UpdatedAt, row.Version))
            .ToArrayAsync(cancellationToken), keptSince));
    }
}
