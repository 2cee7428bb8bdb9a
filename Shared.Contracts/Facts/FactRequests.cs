namespace ConcertSaga.Contracts.Facts;

/// <summary>
/// Names the reservations, or for Queue the passes, whose rows to compare. Sent by Operations to the route <c>/internal/facts/…</c> of each
/// owner.
/// </summary>
/// <param name="Ids">The ids; a few hundred at most.</param>
public sealed record FactRequest(Guid[] Ids);

/// <summary>Names the accounts whose rows to compare. Sent by Operations to Points.</summary>
/// <param name="UserIds">The customers; a few hundred at most.</param>
public sealed record AccountFactRequest(string[] UserIds);

/// <summary>
/// One page of the keys of a table, ascending. Sent by an owner in response to <c>GET /internal/facts/…</c> of Operations, which walks
/// through the table with it.
/// </summary>
/// <param name="Keys">The ids of reservations or customers, without duplicates.</param>
/// <param name="Next">The cursor of the next page, for <c>after</c>; null on the last page.</param>
public sealed record FactKeys(string[] Keys, string? Next);
