namespace ConcertSaga.Contracts.Queue;

/// <summary>
/// How far the waiting room of one concert is. Published by Queue on every change and every second, for gateways. A gap in
/// <paramref name="Sequence"/> means that something was missed and the snapshot must be read.
/// </summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Sequence">Grows by one with each message about this concert, <see cref="QueueTokenRevoked"/> included.</param>
/// <param name="Serving">The highest place that has been offered a pass; a person's position is their place minus this.</param>
/// <param name="Rate">People admitted per second, as measured.</param>
/// <param name="At">When this was true.</param>
public sealed record QueueAdvanced(int ConcertId, long Sequence, long Serving, double Rate, DateTimeOffset At);

/// <summary>A queue token ended before its time. Published by Queue, for gateways, which remember it until <paramref name="Exp"/>.</summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="Sequence">Shared with <see cref="QueueAdvanced"/>.</param>
/// <param name="TokenId">The token.</param>
/// <param name="Exp">From this instant on the token is expired anyway.</param>
public sealed record QueueTokenRevoked(int ConcertId, long Sequence, Guid TokenId, DateTimeOffset Exp);
