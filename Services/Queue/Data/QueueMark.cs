namespace ConcertSaga.Queue.Data;

/// <summary>Records how far a reconciliation with another service has come.</summary>
public sealed class QueueMark
{
    /// <summary>The mark of the reconciliation with the orchestrator's outcomes.</summary>
    public const string Outcomes = "outcomes";

    public required string Name { get; init; }

    /// <summary>The most recent change that was read; never later than the clock of the process that read it.</summary>
    public required DateTimeOffset At { get; set; }
}
