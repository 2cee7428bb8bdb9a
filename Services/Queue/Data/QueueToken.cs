namespace ConcertSaga.Queue.Data;

public enum QueueTokenStatus
{
    /// <summary>In line.</summary>
    Waiting,

    /// <summary>May fetch a pass until <see cref="QueueToken.ClaimUntil"/>.</summary>
    Offered,

    /// <summary>Has a pass, which opens every route until <see cref="QueueToken.BookUntil"/>.</summary>
    Active,

    /// <summary>Did not fetch the pass, or did not buy with it, in time.</summary>
    Expired,

    /// <summary>Bought.</summary>
    Completed,

    /// <summary>Gave the place up.</summary>
    Left
}

/// <summary>One person's place in the line of one concert, from entering to the end.</summary>
public sealed class QueueToken
{
    public required Guid TokenId { get; init; }

    public required int ConcertId { get; init; }

    public required string UserId { get; init; }

    /// <summary>The place: from 1, in order of entering, without gaps.</summary>
    public required long Number { get; init; }

    public QueueTokenStatus Status { get; init; }

    public required DateTimeOffset IssuedAt { get; init; }

    /// <summary>Until when the offer can be taken.</summary>
    public DateTimeOffset? ClaimUntil { get; init; }

    /// <summary>When it was taken.</summary>
    public DateTimeOffset? ClaimedAt { get; init; }

    /// <summary>Until when the pass opens every route.</summary>
    public DateTimeOffset? BookUntil { get; init; }

    /// <summary>
    /// Until when this token takes one of the slots of its concert: one clock skew longer than the offer or the pass. Those in the future
    /// are all there is to count, whatever became of their tokens.
    /// </summary>
    public DateTimeOffset? SlotUntil { get; init; }

    /// <summary>When the newest token or pass given for it expires by itself.</summary>
    public required DateTimeOffset Exp { get; init; }

    /// <summary>Set where a token was ended before its time: gateways have to know it until <see cref="Exp"/>.</summary>
    public long? RevokedSequence { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }
}

internal static class QueueTokens
{
    /// <summary>Those that are in line or have a pass. Written out so that the filtered index answers it.</summary>
    public static IQueryable<QueueToken> Live(this IQueryable<QueueToken> tokens) => tokens.Where(token =>
        token.Status == QueueTokenStatus.Waiting || token.Status == QueueTokenStatus.Offered || token.Status == QueueTokenStatus.Active);

    /// <summary>Those that were let in and have neither bought, left nor been found expired.</summary>
    public static IQueryable<QueueToken> LetIn(this IQueryable<QueueToken> tokens) => tokens.Where(token =>
        token.Status == QueueTokenStatus.Offered || token.Status == QueueTokenStatus.Active);
}
