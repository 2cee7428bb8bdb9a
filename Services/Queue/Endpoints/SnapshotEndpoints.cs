using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Endpoints;

internal static class SnapshotEndpoints
{
    // A concert is told of until the last pass that was given for it has expired.
    private static readonly TimeSpan AfterSale = TimeSpan.FromDays(1);

    public static void MapSnapshot(this IEndpointRouteBuilder routes) => routes.MapGet("/internal/queue/snapshot", GetSnapshot);

    /// <summary>All a gateway has to know of the waiting rooms. Not routed by any gateway.</summary>
    internal static async Task<Ok<QueueSnapshot>> GetSnapshot(
        QueueDbContext database, Rooms rooms, KeyRing ring, IOptions<QueueOptions> options, TimeProvider clock, CancellationToken cancellationToken)
    {
        // Right after the first start there may be none yet; a gateway that reads such a snapshot could check no token until it reads the next.
        await ring.MakeFirstAsync(cancellationToken);
        var now = clock.GetUtcNow();
        var oldest = now - AfterSale;
        // The rooms first: whatever is revoked meanwhile is then among the revocations, and its sequence still to come.
        var concerts = await database.Counters.AsNoTracking().Where(room => room.SaleClosesAt > oldest).OrderBy(room => room.ConcertId)
            .ToListAsync(cancellationToken);
        var revocations = await database.Tokens.Where(token => token.RevokedSequence != null && token.Exp > now)
            .Select(token => new QueueTokenRevoked(token.ConcertId, token.RevokedSequence!.Value, token.TokenId, token.Exp))
            .ToArrayAsync(cancellationToken);
        var keys = await ReadKeysAsync(database, now, cancellationToken);
        if (Enum.GetValues<QueueTokenKind>().Except(keys.Select(key => key.Kind)).Any())
        {
            // Asked for before the first keys of both kinds were made, by a gateway that started at the same moment.
            await ring.RefreshAsync(cancellationToken);
            keys = await ReadKeysAsync(database, now, cancellationToken);
        }
        return TypedResults.Ok(new QueueSnapshot(
            now, options.Value.PollBudget, [.. keys.Select(KeyRing.Publish)], [.. concerts.Select(room => rooms.Describe(room, now))], revocations));
    }

    private static Task<List<QueueKey>> ReadKeysAsync(QueueDbContext database, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.Keys.AsNoTracking().Where(key => key.ValidUntil > now).OrderBy(key => key.SignsFrom).ToListAsync(cancellationToken);
}
