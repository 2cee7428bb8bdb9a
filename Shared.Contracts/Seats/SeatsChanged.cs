namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Seats of one date changed hands. Published by Seats after a commit, best effort: a reader that sees a gap in
/// <paramref name="Version"/> reads the seat map again.
/// </summary>
/// <param name="ScheduleId">The date.</param>
/// <param name="Version">The seat map's version after the change; grows by one with each change.</param>
/// <param name="Seats">The seats that changed, with what they are now.</param>
public sealed record SeatsChanged(int ScheduleId, long Version, SeatChange[] Seats);

/// <summary>One changed seat of <see cref="SeatsChanged"/>.</summary>
/// <param name="Number">The seat's number.</param>
/// <param name="Status"><c>Available</c>, <c>Held</c> or <c>Sold</c>.</param>
public sealed record SeatChange(int Number, string Status);
