namespace ConcertSaga.Operations.Data;

/// <summary>What must hold across all services.</summary>
public enum InvariantKind
{
    /// <summary>Each seat of a live hold belongs to it, and each confirmed reservation has its seats.</summary>
    SeatsSoldOnce,

    /// <summary>The balance of an account is the sum of its ledger.</summary>
    BalanceEqualsLedger,

    /// <summary>Points are deducted and paid for confirmed reservations, and are refunded for all others.</summary>
    DebitsMatchOutcomes,

    /// <summary>Seats are taken only for a reservation that can still have them.</summary>
    HoldsHaveReservations,

    /// <summary>The relay has a delivery for each outcome of a paid reservation, and has given none up.</summary>
    OutcomesDelivered,

    /// <summary>No reservation is past its deadline.</summary>
    DeadlinesKept
}

/// <summary>The periodic check of one invariant, which continues after a restart where it was.</summary>
public sealed class InvariantCheck
{
    public required InvariantKind Invariant { get; init; }

    /// <summary>When an operator last asked for a check.</summary>
    public DateTimeOffset? RequestedAt { get; set; }

    /// <summary>When the current check started, or the last one if none runs.</summary>
    public DateTimeOffset? StartedAt { get; set; }

    /// <summary>The current check; null if none runs.</summary>
    public Guid? RunId { get; set; }

    /// <summary>The position of the current check: the list that it reads, and the cursor in it.</summary>
    public int Source { get; set; }

    public string? Cursor { get; set; }

    /// <summary>The number of rows that the current check has looked at.</summary>
    public long RowsSoFar { get; set; }

    /// <summary>When the last complete check ended.</summary>
    public DateTimeOffset? CheckedAt { get; set; }

    /// <summary>The number of rows that the last complete check has looked at.</summary>
    public long RowsChecked { get; set; }

    /// <summary>The replica that runs the check, until <see cref="LeasedUntil"/>.</summary>
    public Guid? LeaseId { get; set; }

    public DateTimeOffset? LeasedUntil { get; set; }
}

/// <summary>A disagreement that two looks some seconds apart have found.</summary>
public sealed class InvariantFinding
{
    public required InvariantKind Invariant { get; init; }

    /// <summary>The address of the object, such as <c>reservations/01a2…</c>.</summary>
    public required string Subject { get; init; }

    public required string Detail { get; set; }

    public required DateTimeOffset FoundAt { get; init; }

    /// <summary>The check that last saw it. When a later one is complete, the finding is deleted.</summary>
    public required Guid RunId { get; set; }
}
