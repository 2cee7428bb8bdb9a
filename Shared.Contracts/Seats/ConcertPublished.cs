namespace ConcertSaga.Contracts.Seats;

/// <summary>A concert is on offer, or its sale times changed. Published by Seats, handled by Queue; the newest one holds.</summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="SaleOpensAt">Before this instant places are given and nobody is admitted.</param>
/// <param name="SaleClosesAt">From this instant on no place is given.</param>
public sealed record ConcertPublished(int ConcertId, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt);
