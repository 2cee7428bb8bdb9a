using MassTransit;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// One reservation: the state of its saga, and the row that customers and operators read. Columns are named as the properties, except
/// that <see cref="CorrelationId"/> is stored as <c>ReservationId</c>.
/// </summary>
public sealed class Reservation : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public string UserId { get; set; } = "";

    /// <summary>The customer's id until the reservation is paid or ends. Unique: a customer has one unpaid reservation at most.</summary>
    public string? UnpaidUserId { get; set; }

    /// <summary>The concert of the caller's pass, if any; once the seats are held, the concert of the schedule.</summary>
    public int? ConcertId { get; set; }

    public int ScheduleId { get; set; }

    public int[] SeatNumbers { get; set; } = [];

    public DateTimeOffset? StartsAt { get; set; }

    public long? TotalPrice { get; set; }

    public bool PayImmediately { get; set; }

    /// <summary>The number of the latest payment attempt; 0 before the first.</summary>
    public int PaymentAttempt { get; set; }

    public Guid? PaymentId { get; set; }

    public Guid? QueueTokenId { get; set; }

    /// <summary>The final state; set as soon as the compensation begins, and null before.</summary>
    public string? Outcome { get; set; }

    public string? FailureCode { get; set; }

    /// <summary>
    /// The reason in words. Replicas of the previous version read the refused seats and the blocking reservation from this text.
    /// </summary>
    public string? FailureDetail { get; set; }

    /// <summary>The seats that Seats refused to hold; null if it named none.</summary>
    public int[]? RefusedSeats { get; set; }

    /// <summary>The unpaid reservation because of which this one was rejected.</summary>
    public Guid? BlockedBy { get; set; }

    /// <summary>How often the command of the current step has been sent.</summary>
    public int StepAttempts { get; set; }

    public DateTimeOffset? HoldExpiresAt { get; set; }

    /// <summary>When the sweeper notifies the saga, unless it has moved on; null when no further step is due.</summary>
    public DateTimeOffset? Deadline { get; set; }

    /// <summary>When a sweeper last claimed the row.</summary>
    public DateTimeOffset? SweptAt { get; set; }

    /// <summary>Since when a step that never gives up is unanswered after all its attempts.</summary>
    public DateTimeOffset? StuckSince { get; set; }

    public DateTimeOffset? ConfirmedAt { get; set; }

    public Guid? IdempotencyKey { get; set; }

    public string RequestHash { get; set; } = "";

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }

    /// <summary>The concurrency token; grows by one with each row of history.</summary>
    public int Version { get; set; }

    /// <summary>The history. Only new rows are in memory.</summary>
    public ICollection<ReservationTransition> Transitions { get; } = [];

    /// <summary>Adds one row of history.</summary>
    public void Record(string trigger, string? from, string to, Guid? messageId, string? detail, DateTimeOffset now)
    {
        Version++;
        UpdatedAt = now;
        Transitions.Add(new ReservationTransition
        {
            ReservationId = CorrelationId,
            Sequence = Version,
            At = now,
            Trigger = trigger,
            FromState = from,
            ToState = to,
            MessageId = messageId,
            Detail = detail
        });
    }
}
