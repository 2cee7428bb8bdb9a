namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// A concert is on sale, or its sale times changed. Published by Seats, handled by Queue, which asks Seats for the latest.
/// </summary>
/// <param name="ConcertId">The concert.</param>
/// <param name="SaleOpensAt">Before this instant customers can enter the waiting room, but none is admitted.</param>
/// <param name="SaleClosesAt">From this instant on, no customer can enter the waiting room.</param>
/// <param name="SoldOut">
/// Whether its coming schedules have no available seat, held ones included. Null in the message, and from an older Seats: Queue reads it
/// when it compares the concerts.
/// </param>
public sealed record ConcertPublished(int ConcertId, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt, bool? SoldOut = null);
