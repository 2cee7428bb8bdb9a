using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Gateway.SignIn;

namespace ConcertSaga.Gateway.Queue;

/// <summary>What a route needs a queue token for; the value of its metadata <c>QueueToken</c>.</summary>
internal enum QueueTokenUse
{
    /// <summary>To see or choose seats: a pass within its booking time.</summary>
    Book,

    /// <summary>To pay: a pass, until its very end.</summary>
    Pay,

    /// <summary>To ask for or give up a place: a token of either kind.</summary>
    Any
}

/// <summary>
/// The check of the waiting room's token, between sign-in and proxying, from memory alone. It closes when in doubt: without keys, or with
/// knowledge that is too old to rule out a revocation, no pass opens anything.
/// </summary>
internal sealed class QueuePass(WaitingRoom room, SnapshotReader snapshots, ScheduleConcerts schedules, TimeProvider time)
{
    public const string Header = "X-Queue-Token";

    /// <summary>How far the clocks of two processes may be apart.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);

    // Far more than people are let in at a time. A signature of ES256 costs about 100 µs.
    private const int CachedPasses = 16_384;

    private readonly RecentCache<UInt128, QueueToken> _checked = new(CachedPasses);

    /// <summary>Answers with a refusal, or notes whose token it is and goes on.</summary>
    public async Task CheckAsync(HttpContext context, QueueTokenUse use, RequestDelegate next)
    {
        var text = context.Request.Headers[Header].ToString();
        var userId = context.User.UserId()!;
        var (token, refusal) = await ReadAsync(text);
        refusal ??= Judge(token!, use, userId);
        if (refusal is null && use == QueueTokenUse.Book && await ConcertOfRouteAsync(context) is { } concertId && concertId != token!.ConcertId)
            refusal = QueueRefusal.WrongConcert;
        // Last, because the other refusals hold however old the knowledge is.
        if (refusal is null && use != QueueTokenUse.Any && !room.CanJudge(token!.ConcertId))
            refusal = QueueRefusal.Unavailable;
        if (refusal is not null)
        {
            await refusal.AnswerAsync(context);
            return;
        }
        context.Features.Set(new ShownToken(text, token!, userId));
        await next(context);
    }

    /// <summary>Whether a token that was read before opens a route now; <see cref="WaitingRoom.CanJudge"/> is for the caller to ask.</summary>
    public QueueRefusal? Judge(QueueToken token, QueueTokenUse use, string userId) =>
        IsOver(use == QueueTokenUse.Book ? token.BookUntil : token.ExpiresAt) ? QueueRefusal.Expired
        : token.UserId != userId ? QueueRefusal.NotYours
        : room.IsRevoked(token.TokenId) ? QueueRefusal.Revoked
        : token.Kind == QueueTokenKind.Waiting && use != QueueTokenUse.Any ? QueueRefusal.NotActive
        : null;

    public bool IsOver(DateTimeOffset end) => time.GetUtcNow() >= end + ClockSkew;

    /// <summary>Reads a token and checks that Queue made it.</summary>
    public async ValueTask<(QueueToken? Token, QueueRefusal? Refusal)> ReadAsync(string text)
    {
        if (text.Length == 0)
            return (null, QueueRefusal.Missing);
        if (!room.HasKeys)
            return (null, QueueRefusal.Unavailable);
        var token = Read(text, out var wrong);
        if (wrong == QueueToken.UnknownKey)
        {
            // A key is told a while before the first token is signed with it, but perhaps nothing was read since.
            if (!await snapshots.ReadAsync())
                return (null, QueueRefusal.Unavailable);
            token = Read(text, out wrong);
        }
        return token is null ? (null, QueueRefusal.Invalid(wrong!)) : (token, null);
    }

    /// <summary>Reads a token with the keys that are known; null when it is none by them.</summary>
    public QueueToken? Read(string text, out string? wrong)
    {
        // A token that is too long is not worth hashing either.
        var hash = text.Length <= QueueToken.MaxLength ? TokenHash.Of(text) : null;
        wrong = null;
        if (hash is { } one && _checked.TryGet(one, out var known) && ReferenceEquals(room.Key(known.Key.Kid), known.Key))
            return known;
        var token = QueueToken.Read(text, room, time.GetUtcNow(), out wrong);
        // Waiting tokens are cheap to check, and far too many to remember.
        if (token is { Kind: QueueTokenKind.Pass })
            _checked.Set(hash!.Value, token);
        return token;
    }

    /// <summary>The concert the address is about, where that is known; Seats refuses what slips through here.</summary>
    private ValueTask<int?> ConcertOfRouteAsync(HttpContext context)
    {
        var route = context.Request.RouteValues;
        return route.TryGetValue("concertId", out var concert) && int.TryParse(concert as string, out var concertId) ? new(concertId)
            : route.TryGetValue("scheduleId", out var schedule) && int.TryParse(schedule as string, out var scheduleId) ? schedules.FindAsync(scheduleId)
            : default;
    }
}

/// <summary>The queue token a request was made with, after its check.</summary>
internal sealed record ShownToken(string Text, QueueToken Token, string UserId);
