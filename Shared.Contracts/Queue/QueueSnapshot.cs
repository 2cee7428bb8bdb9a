using System.Text.Json.Serialization;

namespace ConcertSaga.Contracts.Queue;

/// <summary>
/// The state of all waiting rooms at one instant. Sent by Queue in response to <c>GET /internal/queue/snapshot</c>. A gateway reads it at
/// start, after a missed message, after three seconds of silence, and when a token names an unknown key.
/// </summary>
/// <param name="At">The instant of this state.</param>
/// <param name="PollBudget">The polls per second that all waiting customers may cause together.</param>
/// <param name="Keys">The keys that may sign tokens. A new key is listed at least a minute before it signs.</param>
/// <param name="Concerts">The state of each waiting room.</param>
/// <param name="Revocations">All revoked tokens that have not expired.</param>
public sealed record QueueSnapshot(
    DateTimeOffset At, int PollBudget, QueueTokenKey[] Keys, QueueAdvanced[] Concerts, QueueTokenRevoked[] Revocations);

/// <summary>A key with which gateways check queue tokens.</summary>
/// <param name="Kid">The name of the key in a token's header.</param>
/// <param name="Kind">The kind of token that the key signs.</param>
/// <param name="Key">
/// Base64: for <see cref="QueueTokenKind.Waiting"/> the shared secret of HS256, for <see cref="QueueTokenKind.Pass"/> the public key of
/// ES256 as SubjectPublicKeyInfo.
/// </param>
/// <param name="ValidUntil">The latest expiry of a token signed with the key.</param>
public sealed record QueueTokenKey(string Kid, QueueTokenKind Kind, string Key, DateTimeOffset ValidUntil);

/// <summary>The two kinds of queue token. Neither is accepted in place of the other.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<QueueTokenKind>))]
public enum QueueTokenKind
{
    /// <summary>Shows a position in line.</summary>
    Waiting,

    /// <summary>Opens the booking routes.</summary>
    Pass
}

/// <summary>
/// The format of queue tokens: JSON Web Tokens with <c>iss</c>, <c>aud</c>, <c>jti</c> (the token id), <c>sub</c> (the user), <c>iat</c>,
/// <c>exp</c> and the claims below. Each kind has its own <c>typ</c>, audience and algorithm.
/// </summary>
public static class QueueTokenFormat
{
    /// <summary>The issuer of both kinds.</summary>
    public const string Issuer = "concertsaga:queue";

    /// <summary><c>typ</c> of a waiting token; HS256.</summary>
    public const string WaitingType = "waiting+jwt";

    /// <summary><c>aud</c> of a waiting token.</summary>
    public const string WaitingAudience = "concertsaga:waiting";

    /// <summary><c>typ</c> of a pass; ES256.</summary>
    public const string PassType = "pass+jwt";

    /// <summary><c>aud</c> of a pass.</summary>
    public const string PassAudience = "concertsaga:pass";

    /// <summary>Both kinds: the id of the concert, a number.</summary>
    public const string ConcertClaim = "concert";

    /// <summary>Waiting token: the queue number, from 1.</summary>
    public const string NumberClaim = "number";

    /// <summary>Pass: until when it opens every route, in Unix seconds. After that it opens only payment, until <c>exp</c>.</summary>
    public const string BookUntilClaim = "bookUntil";
}
