using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Queue.Domain;

/// <summary>How long seats that were reserved at the last moment of a pass can still be paid for, from <c>Reservation:HoldDuration</c>.</summary>
internal sealed record PaymentTime(TimeSpan HoldDuration)
{
    /// <summary>When a pass expires, so that nobody loses held seats at the till.</summary>
    public DateTimeOffset ExpOf(DateTimeOffset bookUntil) => bookUntil + HoldDuration + TimeSpan.FromMinutes(1);
}

/// <summary>What becomes of one place: its pass is fetched, it is given up, or it ends with a paid reservation.</summary>
internal sealed class Places(
    QueueDbContext database, Rooms rooms, PaymentTime payment, Announcements announcements, QueueMetrics metrics, TimeProvider clock)
{
    /// <summary>A place and its room.</summary>
    public sealed record Place(QueueToken Token, QueueCounter Room);

    /// <summary>Takes the offer, if there is one and it is not over. By one conditional update: of two calls, and of a call and the tick, one decides.</summary>
    /// <returns>The place as it is now; null where the caller has none of that id.</returns>
    public async Task<Place?> ClaimAsync(Guid tokenId, int concertId, string userId, CancellationToken cancellationToken)
    {
        var room = await database.Counters.AsNoTracking().SingleOrDefaultAsync(row => row.ConcertId == concertId, cancellationToken);
        if (room is null)
            return null;
        var mine = Mine(tokenId, concertId, userId);
        var token = await mine.SingleOrDefaultAsync(cancellationToken);
        if (token?.Status == QueueTokenStatus.Offered)
        {
            var now = clock.GetUtcNow();
            // Whole seconds, as the pass has them.
            var bookUntil = DateTimeOffset.FromUnixTimeSeconds((now + rooms.SettingsOf(room).PassLifetime).ToUnixTimeSeconds());
            await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
            var claimed = await mine.Where(row => row.Status == QueueTokenStatus.Offered && row.ClaimUntil > now).ExecuteUpdateAsync(
                set => set
                    .SetProperty(row => row.Status, QueueTokenStatus.Active)
                    .SetProperty(row => row.ClaimedAt, now)
                    .SetProperty(row => row.BookUntil, bookUntil)
                    .SetProperty(row => row.SlotUntil, bookUntil + Rooms.ClockSkew)
                    .SetProperty(row => row.Exp, payment.ExpOf(bookUntil)),
                cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            metrics.Claimed.Add(claimed, QueueMetrics.Of(concertId));
            token = await mine.SingleAsync(cancellationToken);
        }
        return token is null ? null : new Place(token, room);
    }

    /// <summary>Gives the place up; the person can enter again, at the end.</summary>
    /// <returns>The place as it is now; null where the caller has none of that id.</returns>
    public async Task<QueueToken?> LeaveAsync(Guid tokenId, int concertId, string userId, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        if (await database.LockAsync(concertId, cancellationToken) is not { } room)
            return null;
        var now = clock.GetUtcNow();
        // A gateway that was cut off lets the pass through for as long again.
        var slotUntil = now + Rooms.ClockSkew;
        var mine = Mine(tokenId, concertId, userId);
        var left = await mine.Live().ExecuteUpdateAsync(
            set => set
                .SetProperty(token => token.Status, QueueTokenStatus.Left)
                .SetProperty(token => token.RevokedSequence, room.Sequence + 1)
                .SetProperty(token => token.SlotUntil, token => token.SlotUntil > slotUntil ? slotUntil : token.SlotUntil),
            cancellationToken);
        var token = await mine.SingleOrDefaultAsync(cancellationToken);
        if (left > 0)
        {
            await RevokeAsync(room, token!, transaction, now, cancellationToken);
            metrics.Left.Add(1, QueueMetrics.Of(concertId));
        }
        return token;
    }

    /// <summary>The reservation made with this token is paid: its pass ends and its slot is free. Does nothing the second time.</summary>
    public async Task CompleteAsync(Guid tokenId, int concertId, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        if (await database.LockAsync(concertId, cancellationToken) is not { } room)
            return;
        var now = clock.GetUtcNow();
        var bought = database.Tokens.AsNoTracking().Where(token => token.TokenId == tokenId && token.ConcertId == concertId);
        // Also one that has expired meanwhile: until its Exp it could still pay.
        var completed = await bought.Where(token => token.Status != QueueTokenStatus.Completed && token.Status != QueueTokenStatus.Left)
            .ExecuteUpdateAsync(
                set => set
                    .SetProperty(token => token.Status, QueueTokenStatus.Completed)
                    .SetProperty(token => token.CompletedAt, now)
                    .SetProperty(token => token.RevokedSequence, room.Sequence + 1)
                    .SetProperty(token => token.SlotUntil, (DateTimeOffset?)null),
                cancellationToken);
        if (completed == 0)
            return;
        await RevokeAsync(room, await bought.SingleAsync(cancellationToken), transaction, now, cancellationToken);
        metrics.Completed.Add(1, QueueMetrics.Of(concertId));
    }

    private IQueryable<QueueToken> Mine(Guid tokenId, int concertId, string userId) =>
        database.Tokens.AsNoTracking().Where(token => token.TokenId == tokenId && token.ConcertId == concertId && token.UserId == userId);

    private async Task RevokeAsync(
        QueueCounter room, QueueToken token, Microsoft.EntityFrameworkCore.Storage.IDbContextTransaction transaction, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        room.Advance(now, revocations: 1);
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        announcements.Announce(
            new QueueTokenRevoked(token.ConcertId, token.RevokedSequence!.Value, token.TokenId, token.Exp), rooms.Describe(room, now));
    }
}
