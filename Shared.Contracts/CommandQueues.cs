namespace ConcertSaga.Contracts;

/// <summary>Names the queue of each command. Exactly one consumer handles it.</summary>
public static class CommandQueues
{
    /// <summary>Receives all messages of the saga: its own commands, the deadline events and all replies.</summary>
    public const string Reservations = "reservations";

    /// <summary>Receives <see cref="Seats.HoldSeats"/>.</summary>
    public const string HoldSeats = "seats-hold";

    /// <summary>Receives <see cref="Seats.ConfirmSeats"/>.</summary>
    public const string ConfirmSeats = "seats-confirm";

    /// <summary>Receives <see cref="Seats.ReleaseSeats"/>.</summary>
    public const string ReleaseSeats = "seats-release";

    /// <summary>Receives <see cref="Points.DeductPoints"/>.</summary>
    public const string DeductPoints = "points-deduct";

    /// <summary>Receives <see cref="Points.RefundPoints"/>.</summary>
    public const string RefundPoints = "points-refund";

    /// <summary>Receives <see cref="Payments.ConfirmPayment"/>.</summary>
    public const string ConfirmPayment = "payments-confirm";

    /// <summary>Receives <see cref="Payments.CancelPayment"/>.</summary>
    public const string CancelPayment = "payments-cancel";

    /// <summary>All of these queues.</summary>
    public static IReadOnlyList<string> All { get; } =
        [Reservations, HoldSeats, ConfirmSeats, ReleaseSeats, DeductPoints, RefundPoints, ConfirmPayment, CancelPayment];

    /// <summary>
    /// Returns the address of a queue. It names the exchange in front of the queue, because a <c>queue:</c> address would declare a classic
    /// queue and conflict with the owner's quorum queue.
    /// </summary>
    public static Uri AddressOf(string queue) => new($"exchange:{queue}");
}
