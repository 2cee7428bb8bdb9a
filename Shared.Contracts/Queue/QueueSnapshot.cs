using System.Text.Json.Serialization;

namespace ConcertSaga.Contracts.Queue;

/// <summary>
/// All a gateway has to know of the waiting room, at one moment: the answer of <c>GET /internal/queue/snapshot</c>, Queue → Gateway. Read at start, when a
/// message was missed, when nothing was heard for three seconds, and when a token names an unknown key.
/// </summary>
/// <param name="At">When this was true.</param>
/// <param name="PollBudget">Polls per second that all waiting people together may cause.</param>
/// <param name="Keys">The keys tokens may be signed with, at least a minute before the first token is.</param>
/// <param name="Concerts">How far each waiting room is.</param>
/// <param name="Revocations">All revoked tokens that are not expired yet.</param>
public sealed record QueueSnapshot(
    DateTimeOffset At, int PollBudget, QueueTokenKey[] Keys, QueueAdvanced[] Concerts, QueueTokenRevoked[] Revocations);

/// <summary>A key that queue tokens are checked with.</summary>
/// <param name="Kid">Names the key in a token's header.</param>
/// <param name="Kind">The only kind of token this key is for.</param>
/// <param name="Key">
/// Base64: for <see cref="QueueTokenKind.Waiting"/> the shared secret of HS256, for <see cref="QueueTokenKind.Pass"/> the public key of ES256
/// as SubjectPublicKeyInfo.
/// </param>
/// <param name="ValidUntil">From this instant on no token signed with it is valid.</param>
public sealed record QueueTokenKey(string Kid, QueueTokenKind Kind, string Key, DateTimeOffset ValidUntil);

/// <summary>The two kinds of queue token, never accepted for each other.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<QueueTokenKind>))]
public enum QueueTokenKind
{
    /// <summary>Shows a place in line.</summary>
    Waiting,

    /// <summary>Opens the booking routes.</summary>
    Pass
}

/// <summary>
/// The form of queue tokens: JSON Web Tokens with <c>iss</c>, <c>aud</c>, <c>jti</c> (the token id), <c>sub</c> (the user), <c>iat</c>,
/// <c>exp</c> and the claims below. Each kind has its own <c>typ</c>, audience and algorithm.
/// </summary>
public static class QueueTokenFormat
{
    /// <summary>The issuer of both.</summary>
    public const string Issuer = "concertsaga:queue";

    /// <summary><c>typ</c> of a waiting token; HS256.</summary>
    public const string WaitingType = "waiting+jwt";

    /// <summary><c>aud</c> of a waiting token.</summary>
    public const string WaitingAudience = "concertsaga:waiting";

    /// <summary><c>typ</c> of a pass; ES256.</summary>
    public const string PassType = "pass+jwt";

    /// <summary><c>aud</c> of a pass.</summary>
    public const string PassAudience = "concertsaga:pass";

    /// <summary>Both: the concert, a number.</summary>
    public const string ConcertClaim = "concert";

    /// <summary>Waiting token: the place in line, a number from 1.</summary>
    public const string NumberClaim = "number";

    /// <summary>Pass: until when it opens every route, in Unix seconds; from then until <c>exp</c> it opens payment only.</summary>
    public const string BookUntilClaim = "bookUntil";
}
