using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tokens;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Gateways;

internal static class SnapshotEndpoints
{
    // By then every pass of the concert has expired.
    private static readonly TimeSpan AfterSale = TimeSpan.FromDays(1);

    public static void MapSnapshot(this IEndpointRouteBuilder routes) => routes.MapGet("/internal/queue/snapshot", GetSnapshot);

    /// <summary>Returns the state of all waiting rooms for a gateway. No gateway routes it.</summary>
    internal static async Task<Ok<QueueSnapshot>> GetSnapshot(
        QueueDbContext database, RoomDescriber rooms, KeyRing ring, IOptions<QueueOptions> options, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        // A gateway that got a snapshot without keys could check no token until its next one.
        await ring.EnsureFirstAsync(cancellationToken);
        var now = clock.GetUtcNow();
        var oldest = now - AfterSale;
        // Rooms before revocations: a revocation in between is then in the list, and its sequence is still to come.
        var concerts = await database.Rooms.AsNoTracking().Where(room => room.SaleClosesAt > oldest).OrderBy(room => room.ConcertId)
            .ToListAsync(cancellationToken);
        var expired = now - ClockSkew.RevocationMargin;
        var revocations = await database.Entries.Where(entry => entry.RevokedSequence != null && entry.Exp > expired)
            .Select(entry => new QueueTokenRevoked(
                entry.ConcertId, entry.RevokedSequence!.Value, entry.TokenId, entry.Exp, entry.Status == QueueEntryStatus.Left))
            .ToArrayAsync(cancellationToken);
        var keys = await ReadKeysAsync(database, now, cancellationToken);
        if (Enum.GetValues<QueueTokenKind>().Except(keys.Select(key => key.Kind)).Any())
        {
            // Another replica may be creating the first keys at this moment.
            await ring.RefreshAsync(cancellationToken);
            keys = await ReadKeysAsync(database, now, cancellationToken);
        }
        return TypedResults.Ok(new QueueSnapshot(
            now, options.Value.PollBudget, [.. keys.Select(KeyRing.ToTokenKey)], [.. concerts.Select(room => rooms.Describe(room, now))],
            revocations));
    }

    private static Task<List<SigningKey>> ReadKeysAsync(
        QueueDbContext database, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.Keys.AsNoTracking().Where(key => key.ValidUntil > now).OrderBy(key => key.SignsFrom).ToListAsync(cancellationToken);
}
