namespace ConcertSaga.Contracts.Reservations;

/// <summary>
/// Whether reservations can be taken. Published by each replica of Orchestrator every second, best effort, for Queue: while no replica has
/// said yes for five seconds, nobody is let in.
/// </summary>
/// <param name="IsOpen">Whether this replica takes reservations: its bus is connected and what it decided leaves in time.</param>
/// <param name="Backlog">How many messages wait in its outbox.</param>
/// <param name="At">When this was true.</param>
public sealed record BookingReported(bool IsOpen, long Backlog, DateTimeOffset At);
