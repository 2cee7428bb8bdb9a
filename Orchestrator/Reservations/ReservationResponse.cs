namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>A reservation as its user sees it.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ConcertId">The concert; null until the seats are held.</param>
/// <param name="ScheduleId">The date.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="TotalPrice">In points; null until the seats are held.</param>
/// <param name="Status">
/// <c>Pending</c>, <c>AwaitingPayment</c>, <c>Paying</c>, <c>Confirmed</c>, <c>Cancelling</c>, <c>Rejected</c>, <c>Expired</c>,
/// <c>Cancelled</c> or <c>Failed</c>. The last four appear only when everything is undone that had to be.
/// </param>
/// <param name="Failure">Why the last step was refused, or why the reservation ended without seats.</param>
/// <param name="HoldExpiresAt">Until when the seats are held unpaid; null where they are not.</param>
/// <param name="CreatedAt">When it was requested.</param>
/// <param name="UpdatedAt">When it last changed.</param>
public sealed record ReservationResponse(
    Guid ReservationId, int? ConcertId, int ScheduleId, int[] SeatNumbers, long? TotalPrice, string Status, ReservationFailure? Failure,
    DateTimeOffset? HoldExpiresAt, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    public static ReservationResponse Of(Reservation row) => new(
        row.CorrelationId, row.ConcertId, row.ScheduleId, row.SeatNumbers, row.TotalPrice, StatusOf(row.CurrentState),
        row.FailureCode is null ? null : new ReservationFailure(row.FailureCode, row.FailureDetail ?? ""),
        row.CurrentState is ReservationStates.AwaitingPayment ? row.HoldExpiresAt : null, row.CreatedAt, row.UpdatedAt);

    /// <summary>The public name of a saga state.</summary>
    public static string StatusOf(string state) => state switch
    {
        ReservationStates.Requested or ReservationStates.HoldingSeats => "Pending",
        ReservationStates.DeductingPoints or ReservationStates.ConfirmingPayment
            or ReservationStates.ConfirmingSeats => "Paying",
        ReservationStates.CancellingPayment or ReservationStates.RefundingPoints
            or ReservationStates.ReleasingSeats => "Cancelling",
        _ => state
    };

    /// <summary>The saga states behind a public status; null where there is no such status.</summary>
    public static string[]? StatesOf(string status)
    {
        string[] states = [.. AllStates.Where(state => StatusOf(state).Equals(status, StringComparison.OrdinalIgnoreCase))];
        return states.Length == 0 ? null : states;
    }

    private static readonly string[] AllStates =
    [
        ReservationStates.Requested, ReservationStates.HoldingSeats, ReservationStates.AwaitingPayment,
        ReservationStates.DeductingPoints, ReservationStates.ConfirmingPayment,
        ReservationStates.ConfirmingSeats, ReservationStates.Confirmed,
        ReservationStates.CancellingPayment, ReservationStates.RefundingPoints,
        ReservationStates.ReleasingSeats, ReservationStates.Rejected, ReservationStates.Expired,
        ReservationStates.Cancelled, ReservationStates.Failed
    ];
}

/// <summary>Why something was refused.</summary>
/// <param name="Code">The stable code, as in problems.</param>
/// <param name="Detail">The same in words.</param>
public sealed record ReservationFailure(string Code, string Detail);
