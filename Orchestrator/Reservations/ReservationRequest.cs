using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>A customer's request for seats.</summary>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">One to four distinct seats of the schedule.</param>
/// <param name="Pay">Whether to pay at once with points.</param>
public sealed record ReservationRequest(int ScheduleId, [property: RefusedAs(RefusalCodes.InvalidSeats)] int[] SeatNumbers,
    bool Pay = false);
