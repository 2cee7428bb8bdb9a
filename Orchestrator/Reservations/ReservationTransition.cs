namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>One row of a reservation's history: a transition, or a resent command (then both states are the same).</summary>
public sealed class ReservationTransition
{
    public Guid ReservationId { get; init; }

    public int Sequence { get; init; }

    public DateTimeOffset At { get; init; }

    public string Trigger { get; init; } = "";

    public string? FromState { get; init; }

    public string ToState { get; init; } = "";

    public Guid? MessageId { get; init; }

    public string? Detail { get; init; }
}
