namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// Reports whether bookings are open. Published by each replica of the orchestrator every second, best effort, for Queue. Queue admits no
/// customer after five seconds in which no replica reported open bookings.
/// </summary>
/// <param name="IsOpen">Whether this replica takes bookings: its bus is connected and its committed messages leave in time.</param>
/// <param name="Backlog">The number of messages that wait in the outbox.</param>
/// <param name="At">The time of the report.</param>
public sealed record BookingReported(bool IsOpen, long Backlog, DateTimeOffset At);
