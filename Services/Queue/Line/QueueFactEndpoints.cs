using ConcertSaga.Contracts.Facts;
using ConcertSaga.Queue.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Line;

/// <summary>Serves queue entries to Operations, which compares them with the reservations.</summary>
internal static class QueueFactEndpoints
{
    public static void MapQueueFacts(this IEndpointRouteBuilder routes) => routes.MapPost("/internal/facts/queue", ReadQueueFacts);

    /// <summary>Reads the entries of these passes.</summary>
    internal static async Task<Ok<QueueEntryFact[]>> ReadQueueFacts(
        FactRequest body, QueueDbContext database, CancellationToken cancellationToken)
    {
        var ids = body.Ids;
        var entries = await database.Entries.AsNoTracking().Where(entry => ids.Contains(entry.TokenId)).ToListAsync(cancellationToken);
        return TypedResults.Ok(entries.Select(entry => new QueueEntryFact(
            entry.TokenId, entry.ConcertId, entry.UserId, entry.Number, entry.Status.ToString(), entry.BookUntil, entry.CompletedAt))
            .ToArray());
    }
}
