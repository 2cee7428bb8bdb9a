using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Owners;

namespace ConcertSaga.Operations.Facts;

/// <summary>What each owner has for one reservation. A member is null if the owner has nothing.</summary>
/// <param name="ReservationId">The reservation.</param>
/// <param name="Read">The owners that were read. The rules use no other member.</param>
internal sealed record FactSheet(Guid ReservationId, IReadOnlySet<Owner> Read)
{
    public ReservationFact? Reservation { get; init; }

    /// <summary>Paid reservations of earlier outcomes may be deleted.</summary>
    public DateTimeOffset ReservationsKeptSince { get; init; }

    public SeatFact? Seats { get; init; }

    public PointFact? Points { get; init; }

    public PaymentFact? Payment { get; init; }

    public QueueEntryFact? Queue { get; init; }

    public IReadOnlyList<DeliveryFact> Deliveries { get; init; } = [];

    /// <summary>Completed deliveries of earlier events may be deleted.</summary>
    public DateTimeOffset DeliveriesKeptSince { get; init; }

    public bool HasRead(Owner owner) => Read.Contains(owner);
}
