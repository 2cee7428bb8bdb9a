using ConcertSaga.Shared.Hosting.Operators;

namespace ConcertSaga.Operations.Data;

/// <summary>What an operation does with each item. The names are those of the actions that it records.</summary>
public enum OperationKind
{
    /// <summary>Sends failed messages back to their queues.</summary>
    Requeue,

    /// <summary>Discards failed messages.</summary>
    Discard,

    /// <summary>Resends the current command of reservations.</summary>
    Retry,

    /// <summary>Cancels reservations.</summary>
    Cancel,

    /// <summary>Redrives deliveries.</summary>
    SendAgain,

    /// <summary>Ends the sale of a schedule and cancels its reservations.</summary>
    CancelSchedule,

    /// <summary>Erases a customer.</summary>
    Erase
}

public enum OperationStatus
{
    /// <summary>A dry run has chosen its items. Nothing happens until an operator starts it.</summary>
    Selected,
    Running,
    Completed,
    Cancelled
}

/// <summary>A change of many items, which survives a restart.</summary>
public sealed class Operation
{
    public required Guid OperationId { get; init; }

    public required OperationKind Kind { get; init; }

    public OperationStatus Status { get; init; }

    /// <summary>The user id of the operator who selected or started it.</summary>
    public required string Operator { get; init; }

    /// <summary>Null until it is started.</summary>
    public string? Reason { get; init; }

    /// <summary>The schedule that it cancels; null for other kinds.</summary>
    public int? ScheduleId { get; init; }

    /// <summary>The customer whom it erases, until it ends; null for other kinds.</summary>
    public string? CustomerId { get; init; }

    /// <summary>The random id that replaces the customer's.</summary>
    public string? Pseudonym { get; init; }

    /// <summary>The number of items.</summary>
    public required int Matched { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Whether an operator wants it to stop. It first finishes what it has begun to send.</summary>
    public bool IsStopping { get; init; }

    /// <summary>The replica that works on it, until <see cref="LeasedUntil"/>.</summary>
    public Guid? LeaseId { get; init; }

    public DateTimeOffset? LeasedUntil { get; init; }
}

/// <summary>One item of an operation.</summary>
public sealed class OperationItem
{
    public required Guid OperationId { get; init; }

    /// <summary>The position in the operation, from 1.</summary>
    public required int Number { get; init; }

    /// <summary>The failed message; 0 for an object of another owner.</summary>
    public long FailedMessageId { get; init; }

    /// <summary>The object of another owner; null for a failed message.</summary>
    public Guid? TargetId { get; init; }

    /// <summary>Whether the owner of the object may already have changed it.</summary>
    public bool IsBegun { get; set; }

    /// <summary>Null until the operation has dealt with it.</summary>
    public ItemOutcome? Outcome { get; set; }

    /// <summary>Why it was skipped or failed.</summary>
    public string? Reason { get; set; }
}
