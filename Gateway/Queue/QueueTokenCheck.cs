using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Caching;
using ConcertSaga.Gateway.Http;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Checks queue tokens from memory, for the pipeline, the quick path of polls and the event streams. When in doubt it refuses: no pass
/// opens a route without keys, or while the state of the waiting rooms is too old to rule out a revocation.
/// </summary>
internal sealed class QueueTokenCheck(RoomDirectory rooms, SnapshotReader snapshots, ConcertLookup concerts, TimeProvider time)
{
    // Far more than the customers admitted at a time. Verifying an ES256 signature takes about 100 µs.
    private const int CachedPasses = 16_384;

    private readonly RecentCache<UInt128, VerifiedToken> _passes = new(CachedPasses);

    /// <summary>Refuses the request, or sets its <see cref="PresentedToken"/> and runs the rest of the pipeline.</summary>
    /// <param name="context">The request.</param>
    /// <param name="use">Why the route needs the token.</param>
    /// <param name="isRepeatable">
    /// Whether the service decides about the caller's own token if it opens nothing now. A successful request ends the pass, so only the
    /// service can distinguish its repeat from a new request.
    /// </param>
    /// <param name="next">The rest of the pipeline.</param>
    public async Task CheckAsync(HttpContext context, QueueTokenUse use, bool isRepeatable, RequestDelegate next)
    {
        var text = context.Request.Headers[GatewayHeaders.QueueToken].ToString();
        var userId = context.User.UserId()!;
        var (token, refusal) = await ReadAsync(text);
        refusal ??= Check(token!, use, userId);
        if (refusal is null && use == QueueTokenUse.Book && await FindConcertAsync(context) is { } concertId
            && concertId != token!.ConcertId)
            refusal = QueueRefusal.WrongConcert;
        // Last, because the other refusals are certain even while the state is old.
        if (refusal is null && use != QueueTokenUse.Any && !rooms.CanCheckPass(token!.ConcertId))
            refusal = QueueRefusal.Unavailable;
        if (refusal is not null && !(isRepeatable && refusal.CanMeetRepeat && token?.UserId == userId))
        {
            await refusal.AnswerAsync(context);
            return;
        }
        context.Features.Set(new PresentedToken(text, token!, userId, use, refusal));
        await next(context);
    }

    /// <summary>
    /// The one list of what a verified token must meet at each use; returns the first refusal, or null. It holds only what is certain even
    /// while the state is old, so <see cref="CheckAsync"/> adds <see cref="RoomDirectory.CanCheckPass"/>.
    /// </summary>
    public QueueRefusal? Check(VerifiedToken token, QueueTokenUse use, string userId) =>
        token.UserId != userId ? QueueRefusal.NotYours
        : IsOver(use == QueueTokenUse.Book ? token.BookUntil : token.ExpiresAt) ? QueueRefusal.Expired
        : rooms.IsRevoked(token.TokenId) ? QueueRefusal.Revoked
        : token.Kind == QueueTokenKind.Waiting && use != QueueTokenUse.Any ? QueueRefusal.NotActive
        : null;

    /// <summary>Whether an earlier verification still counts. A key that was replaced or withdrawn takes its tokens with it.</summary>
    public bool IsStillVerified(VerifiedToken token) => ReferenceEquals(rooms.FindKey(token.Key.Kid), token.Key);

    public bool IsOver(DateTimeOffset end) => time.GetUtcNow() >= end + ClockSkew.Tolerance;

    /// <summary>Reads a token and verifies that Queue issued it. If its key is unknown, reads a snapshot first.</summary>
    public async ValueTask<(VerifiedToken? Token, QueueRefusal? Refusal)> ReadAsync(string text)
    {
        if (text.Length == 0)
            return (null, QueueRefusal.Missing);
        if (!rooms.HasKeys)
            return (null, QueueRefusal.Unavailable);
        var token = Read(text, out var wrong);
        if (wrong == VerifiedToken.UnknownKey)
        {
            // Queue announces a key before it signs with it, but this gateway may not have read a snapshot since.
            if (!await snapshots.ReadAsync())
                return (null, QueueRefusal.Unavailable);
            token = Read(text, out wrong);
        }
        return token is null ? (null, QueueRefusal.Invalid(wrong!)) : (token, null);
    }

    /// <summary>Reads a token with the known keys; null if it is invalid.</summary>
    public VerifiedToken? Read(string text, out string? wrong)
    {
        // A token above the maximum length is invalid, so hashing it is a waste.
        var hash = text.Length <= VerifiedToken.MaxLength ? TokenHash.Of(text) : null;
        wrong = null;
        if (hash is { } cached && _passes.TryGet(cached, out var known) && IsStillVerified(known))
            return known;
        var token = VerifiedToken.Read(text, rooms, time.GetUtcNow(), out wrong);
        // Waiting tokens are cheap to verify and far too many to cache.
        if (token is { Kind: QueueTokenKind.Pass })
            _passes.Set(hash!.Value, token);
        return token;
    }

    /// <summary>The concert of the address; null if unknown. Seats compares the concerts too, so it refuses what passes here.</summary>
    private ValueTask<int?> FindConcertAsync(HttpContext context)
    {
        var route = context.Request.RouteValues;
        return route.TryGetValue("concertId", out var concert) && int.TryParse(concert as string, out var concertId) ? new(concertId)
            : route.TryGetValue("scheduleId", out var schedule) && int.TryParse(schedule as string, out var scheduleId)
                ? concerts.FindAsync(scheduleId)
            : default;
    }
}
