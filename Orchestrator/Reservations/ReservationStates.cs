namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>The saga's states, as operators name them.</summary>
public enum ReservationState
{
    Requested,
    HoldingSeats,
    AwaitingPayment,
    DeductingPoints,
    ConfirmingPayment,
    ConfirmingSeats,
    Confirmed,
    CancellingPayment,
    RefundingPoints,
    ReleasingSeats,
    Rejected,
    Expired,
    Cancelled,
    Failed
}

/// <summary>The names under which the saga's states are stored.</summary>
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

    /// <summary>All states, in the order of the story.</summary>
    public static readonly string[] All = Enum.GetNames<ReservationState>();

    /// <summary>The states in which nothing is due. A confirmed reservation can still be cancelled.</summary>
    public static readonly string[] Finished = [Confirmed, Rejected, Expired, Cancelled, Failed];
}
