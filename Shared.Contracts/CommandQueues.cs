namespace ConcertSaga.Contracts;

/// <summary>The queue each command is sent to. A command has exactly one handler, which listens there.</summary>
public static class CommandQueues
{
    /// <summary>Everything that goes into the saga: its own commands, the deadline events and all replies.</summary>
    public const string Reservations = "reservations";

    /// <summary>Takes <see cref="Seats.HoldSeats"/>.</summary>
    public const string HoldSeats = "seats-hold";

    /// <summary>Takes <see cref="Seats.ConfirmSeats"/>.</summary>
    public const string ConfirmSeats = "seats-confirm";

    /// <summary>Takes <see cref="Seats.ReleaseSeats"/>.</summary>
    public const string ReleaseSeats = "seats-release";

    /// <summary>Takes <see cref="Points.DeductPoints"/>.</summary>
    public const string DeductPoints = "points-deduct";

    /// <summary>Takes <see cref="Points.RefundPoints"/>.</summary>
    public const string RefundPoints = "points-refund";

    /// <summary>Takes <see cref="Payments.ConfirmPayment"/>.</summary>
    public const string ConfirmPayment = "payments-confirm";

    /// <summary>Takes <see cref="Payments.CancelPayment"/>.</summary>
    public const string CancelPayment = "payments-cancel";

    /// <summary>
    /// The address of a queue. It names the exchange in front of the queue: a <c>queue:</c> address would declare a classic queue
    /// and clash with the quorum queue its owner declares.
    /// </summary>
    public static Uri AddressOf(string queue) => new($"exchange:{queue}");
}
