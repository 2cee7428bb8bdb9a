using System.Text.Json.Serialization;

namespace ConcertSaga.Contracts.Queue;

/// <summary>Whether people are let in at the moment, and why not.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<QueueAdmission>))]
public enum QueueAdmission
{
    /// <summary>People are let in as slots come free.</summary>
    Open,

    /// <summary>The sale has not begun: places are given, nobody is let in.</summary>
    NotOpenYet,

    /// <summary>An operator has stopped the inlet.</summary>
    Paused,

    /// <summary>The inlet waits because reservations cannot be taken at the moment.</summary>
    Suspended,

    /// <summary>The sale is over.</summary>
    Closed
}

/// <summary>
/// How far the waiting room of one concert is. Published by Queue on every change, and every second while the concert has live tokens or had
/// a change within the last minute; for gateways. A gap in <paramref name="Sequence"/> means that something was missed and the snapshot must
/// be read; a repeated sequence is a sign of life.
/// </summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Sequence">
/// Grows by one with each admission and each revocation of this concert, and is shared with <see cref="QueueTokenRevoked"/>. Every change
/// ends with an admission, even one of nobody: so this is never the sequence of a revocation, and one that got lost always leaves a gap.
/// </param>
/// <param name="Serving">The highest place that has been offered a pass; a person's position is their place minus this.</param>
/// <param name="Rate">People admitted per second, as measured; what the settings allow while nothing has been measured.</param>
/// <param name="At">When this was true.</param>
/// <param name="Issued">The highest place given so far.</param>
/// <param name="BatchSize">How many people are let in at once at most.</param>
/// <param name="SaleOpensAt">Before this instant nobody is let in.</param>
/// <param name="SaleClosesAt">From this instant on nobody is let in.</param>
/// <param name="Admission">Whether people are let in at the moment.</param>
public sealed record QueueAdvanced(
    int ConcertId, long Sequence, long Serving, double Rate, DateTimeOffset At, long Issued, int BatchSize, DateTimeOffset SaleOpensAt,
    DateTimeOffset SaleClosesAt, QueueAdmission Admission);

/// <summary>A queue token ended before its time. Published by Queue, for gateways, which remember it until <paramref name="Exp"/>.</summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Sequence">Shared with <see cref="QueueAdvanced"/>.</param>
/// <param name="TokenId">The token.</param>
/// <param name="Exp">From this instant on the token is expired anyway.</param>
public sealed record QueueTokenRevoked(int ConcertId, long Sequence, Guid TokenId, DateTimeOffset Exp);
