namespace ConcertSaga.Contracts;

/// <summary>Names the permanent queues of events. Exactly one consumer handles each; temporary queues have random names.</summary>
public static class EventQueues
{
    /// <summary>Brings <see cref="Reservations.ReservationConfirmed"/> to the waiting room.</summary>
    public const string QueueReservationConfirmed = "queue-reservation-confirmed";

    /// <summary>Brings <see cref="Seats.ConcertPublished"/> to the waiting room.</summary>
    public const string QueueConcertPublished = "queue-concert-published";

    /// <summary>Brings <see cref="Reservations.ReservationConfirmed"/> to the relay.</summary>
    public const string DataPlatformReservationConfirmed = "dataplatform-reservation-confirmed";

    /// <summary>Brings <see cref="Reservations.ReservationCancelled"/> to the relay.</summary>
    public const string DataPlatformReservationCancelled = "dataplatform-reservation-cancelled";

    /// <summary>Brings <see cref="Reservations.ReservationsDeleted"/> to Seats.</summary>
    public const string SeatsReservationsDeleted = "seats-reservations-deleted";

    /// <summary>Brings <see cref="Reservations.ReservationsDeleted"/> to Points.</summary>
    public const string PointsReservationsDeleted = "points-reservations-deleted";

    /// <summary>Brings <see cref="Reservations.ReservationsDeleted"/> to Payments.</summary>
    public const string PaymentsReservationsDeleted = "payments-reservations-deleted";

    /// <summary>All of these queues.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        QueueReservationConfirmed, QueueConcertPublished, DataPlatformReservationConfirmed, DataPlatformReservationCancelled,
        SeatsReservationsDeleted, PointsReservationsDeleted, PaymentsReservationsDeleted
    ];
}
