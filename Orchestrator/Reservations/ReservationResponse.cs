namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>The status of a reservation as its customer sees it.</summary>
public enum ReservationStatus
{
    Pending,
    AwaitingPayment,
    Paying,
    Confirmed,
    Cancelling,
    Rejected,
    Expired,
    Cancelled,
    Failed
}

/// <summary>A reservation as its customer sees it.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="ConcertId">The concert; null until the seats are held.</param>
/// <param name="ScheduleId">The schedule.</param>
/// <param name="SeatNumbers">The seats, ascending.</param>
/// <param name="TotalPrice">In points; null until the seats are held.</param>
/// <param name="Status">
/// The status. <c>Rejected</c>, <c>Expired</c>, <c>Cancelled</c> and <c>Failed</c> appear only after the compensation is complete.
/// </param>
/// <param name="Failure">Why the last step was refused, or why the reservation ended without seats.</param>
/// <param name="HoldExpiresAt">Until when the seats are held without payment; null in any other status.</param>
/// <param name="CreatedAt">When it was requested.</param>
/// <param name="UpdatedAt">When it last changed.</param>
/// <param name="CancellableUntil">
/// Until when a confirmed reservation can be cancelled, by the current start of its schedule. Only <c>GET</c> of one reservation sets it.
/// </param>
public sealed record ReservationResponse(
    Guid ReservationId, int? ConcertId, int ScheduleId, int[] SeatNumbers, long? TotalPrice, ReservationStatus Status,
    ReservationFailure? Failure, DateTimeOffset? HoldExpiresAt, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt,
    DateTimeOffset? CancellableUntil = null)
{
    public static ReservationResponse Of(Reservation row) => new(
        row.CorrelationId, row.ConcertId, row.ScheduleId, row.SeatNumbers, row.TotalPrice,
        Enum.Parse<ReservationStatus>(StatusOf(row.CurrentState)),
        row.FailureCode is null ? null : new ReservationFailure(row.FailureCode, row.FailureDetail ?? ""),
        row.CurrentState is ReservationStates.AwaitingPayment && row.HoldExpiresAt is { } end ? Stored(end) : null,
        Stored(row.CreatedAt), Stored(row.UpdatedAt));

    // PostgreSQL stores microseconds. The first answer can come from memory, and a repeated one must be the same.
    private static DateTimeOffset Stored(DateTimeOffset instant) => instant.AddTicks(-(instant.Ticks % TimeSpan.TicksPerMicrosecond));

    /// <summary>The address of a reservation.</summary>
    public static string LocationOf(Guid id) => $"/api/reservations/{id}";

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

    /// <summary>The saga states behind a public status.</summary>
    public static string[] StatesOf(ReservationStatus status) =>
        [.. ReservationStates.All.Where(state => StatusOf(state) == status.ToString())];
}

/// <summary>Why a step was refused or a reservation ended without seats.</summary>
/// <param name="Code">The stable code, as in problems.</param>
/// <param name="Detail">The reason in words.</param>
public sealed record ReservationFailure(string Code, string Detail);
