namespace ConcertSaga.Contracts.Seats;

/// <summary>
/// Seats of a schedule changed their status. Published by Seats after a commit, best effort. A reader that finds a gap in
/// <paramref name="Version"/> reloads the seat map.
/// </summary>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="Version">The version of the seat map after the change; grows by one with each change.</param>
/// <param name="Seats">The seats that changed, with their new status.</param>
public sealed record SeatsChanged(int ScheduleId, long Version, SeatChange[] Seats);

/// <summary>One changed seat of <see cref="SeatsChanged"/>.</summary>
/// <param name="Number">The seat's number.</param>
/// <param name="Status"><c>Available</c>, <c>Held</c> or <c>Sold</c>.</param>
public sealed record SeatChange(int Number, string Status);
