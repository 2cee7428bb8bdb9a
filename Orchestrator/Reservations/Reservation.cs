using MassTransit;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// One reservation: the saga's state, and at the same time the row that answers its user and its operator. The column names are the property
/// names, but for <see cref="CorrelationId"/>, which is <c>ReservationId</c>.
/// </summary>
public sealed class Reservation : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public string UserId { get; set; } = "";

    /// <summary>The user's id while the reservation is neither paid nor ended; unique, so a user has one unpaid reservation at a time.</summary>
    public string? UnpaidUserId { get; set; }

    /// <summary>At first the concert of the caller's queue pass, if there was one; from the hold on the schedule's.</summary>
    public int? ConcertId { get; set; }

    public int ScheduleId { get; set; }

    public int[] SeatNumbers { get; set; } = [];

    public DateTimeOffset? StartsAt { get; set; }

    public long? TotalPrice { get; set; }

    public bool PayImmediately { get; set; }

    /// <summary>The payment attempt that is under way or was the last; 0 before the first.</summary>
    public int PaymentAttempt { get; set; }

    public Guid? PaymentId { get; set; }

    public Guid? QueueTokenId { get; set; }

    /// <summary>The final state it ended in, or while undoing the one it will end in.</summary>
    public string? Outcome { get; set; }

    public string? FailureCode { get; set; }

    public string? FailureDetail { get; set; }

    /// <summary>How often the command of the present step has been sent.</summary>
    public int StepAttempts { get; set; }

    public DateTimeOffset? HoldExpiresAt { get; set; }

    /// <summary>When the sweeper is to look after this reservation; null when it has ended.</summary>
    public DateTimeOffset? Deadline { get; set; }

    /// <summary>When a sweeper last took it.</summary>
    public DateTimeOffset? SweptAt { get; set; }

    /// <summary>Since when a step that must not be given up has gone unanswered after all its attempts.</summary>
    public DateTimeOffset? StuckSince { get; set; }

    public DateTimeOffset? ConfirmedAt { get; set; }

    public Guid? IdempotencyKey { get; set; }

    public string RequestHash { get; set; } = "";

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }

    /// <summary>Grows by one with each row of history; a concurrent change is found by it.</summary>
    public int Version { get; set; }

    /// <summary>The history; only rows added now are in memory.</summary>
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

/// <summary>One transition of a reservation, or one command sent again (then both states are the same).</summary>
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

/// <summary>The saga's states by the names they are stored under.</summary>
public static class ReservationStates
{
    public const string Requested = nameof(ReservationStateMachine.Requested);
    public const string HoldingSeats = nameof(ReservationStateMachine.HoldingSeats);
    public const string AwaitingPayment = nameof(ReservationStateMachine.AwaitingPayment);
    public const string DeductingPoints = nameof(ReservationStateMachine.DeductingPoints);
    public const string ConfirmingPayment = nameof(ReservationStateMachine.ConfirmingPayment);
    public const string ConfirmingSeats = nameof(ReservationStateMachine.ConfirmingSeats);
    public const string Confirmed = nameof(ReservationStateMachine.Confirmed);
    public const string CancellingPayment = nameof(ReservationStateMachine.CancellingPayment);
    public const string RefundingPoints = nameof(ReservationStateMachine.RefundingPoints);
    public const string ReleasingSeats = nameof(ReservationStateMachine.ReleasingSeats);
    public const string Rejected = nameof(ReservationStateMachine.Rejected);
    public const string Expired = nameof(ReservationStateMachine.Expired);
    public const string Cancelled = nameof(ReservationStateMachine.Cancelled);
    public const string Failed = nameof(ReservationStateMachine.Failed);
}
