using ConcertSaga.Contracts.Facts;
using ConcertSaga.Operations.Facts;
using ConcertSaga.Operations.Owners;

namespace ConcertSaga.Operations.Tests.Fixtures;

/// <summary>What all owners have for a reservation of two seats, when each has replied to all commands.</summary>
internal static class Sheets
{
    public const long Price = 2_000;

    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly Guid Id = Guid.CreateVersion7(), Other = Guid.CreateVersion7();

    private static readonly HashSet<Owner> Compared =
        [Owner.Seats, Owner.Points, Owner.Payments, Owner.Queue, Owner.DataPlatform];

    /// <summary>No owner has anything.</summary>
    public static FactSheet Nothing => new(Id, Compared);

    public static FactSheet In(string state, bool wasPaid = false) => Of(state, Now.AddHours(-1), wasPaid);

    public static FactSheet Of(string state, DateTimeOffset updatedAt, bool wasPaid = false)
    {
        var isPaid = wasPaid || state == "Confirmed";
        return new FactSheet(Id, Compared)
        {
            Reservation = new ReservationFact(Id, state, "mina", 3, [7, 8], state is "Requested" or "Rejected" ? null : Price, null,
                state is "Confirmed" or "Rejected" or "Expired" or "Cancelled" or "Failed" ? null : Now.AddMinutes(1),
                isPaid ? updatedAt : null, updatedAt, 4),
            Seats = state switch
            {
                "Requested" or "HoldingSeats" => null,
                "Rejected" => Hold("Refused"),
                "Confirmed" or "CancellingPayment" => Hold("Confirmed"),
                "Expired" or "Cancelled" or "Failed" => Hold("Released"),
                _ => Hold("Held")
            },
            Points = state switch
            {
                "ConfirmingPayment" or "ConfirmingSeats" or "Confirmed" or "CancellingPayment" or "RefundingPoints" => Moved(Price, null),
                "Cancelled" or "Failed" or "ReleasingSeats" => Moved(Price, Price),
                _ => null
            },
            Payment = state switch
            {
                "ConfirmingSeats" or "Confirmed" or "CancellingPayment" => Paid("Confirmed"),
                "RefundingPoints" or "ReleasingSeats" or "Cancelled" or "Failed" => Paid("Cancelled"),
                _ => null
            },
            Deliveries = !isPaid ? [] : state == "Cancelled" ? [Delivery(1, "Delivered"), Delivery(2, "Delivered")]
                : [Delivery(1, "Delivered")]
        };
    }

    public static SeatFact Hold(string status, Guid? seatOwner = null, string? seatStatus = null, int number = 8)
    {
        var usual = status switch { "Held" => "Held", "Confirmed" => "Sold", _ => "Available" };
        var owner = seatOwner ?? (status is "Held" or "Confirmed" && seatStatus != "Available" ? Id : null);
        return new SeatFact(Id, status, 3, [7, number], Price, null, Now,
        [
            new SeatRowFact(7, usual, usual == "Available" ? null : Id), new SeatRowFact(number, seatStatus ?? usual, owner)
        ]);
    }

    public static PointFact Moved(long taken, long? returned) => new(
        Id, [new DeductionFact(1, "Deducted", taken, null, Now)], returned,
        [
            new LedgerFact(Guid.CreateVersion7(), 1, "Deduction", -taken, 0, Now),
            .. returned is null ? Array.Empty<LedgerFact>()
                : [new LedgerFact(Guid.CreateVersion7(), 2, "Refund", returned.Value, returned.Value, Now)]
        ]);

    public static PaymentFact Paid(string status) => new(Id, Guid.CreateVersion7(), status, Price, Now);

    public static QueueEntryFact Entry(string status) => new(Other, 1, "mina", 1, status, null, null);

    public static DeliveryFact Delivery(int sequence, string status) => new(
        Guid.CreateVersion7(), Id, sequence == 1 ? "reservation.confirmed" : "reservation.cancelled", sequence, status, 1, Now, null, null);
}
