using ConcertSaga.Contracts.Payments;

namespace ConcertSaga.Payments.Data;

public enum PaymentStatus
{
    Confirmed,
    Refused,
    Cancelled
}

/// <summary>The decision row of a reservation's payment. It is deleted with the reservation.</summary>
public sealed class Payment
{
    public Guid ReservationId { get; private init; }

    public Guid PaymentId { get; private init; }

    /// <summary>The customer; empty on a tombstone.</summary>
    public string UserId { get; private init; } = "";

    /// <summary>In points; 0 on a tombstone.</summary>
    public long Amount { get; private init; }

    public PaymentStatus Status { get; private set; }

    public DateTimeOffset CreatedAt { get; private init; }

    public DateTimeOffset UpdatedAt { get; private set; }

    public static Payment Decide(ConfirmPayment command, bool refuse, DateTimeOffset now) => new()
    {
        ReservationId = command.ReservationId,
        PaymentId = Guid.CreateVersion7(now),
        UserId = command.UserId,
        Amount = command.Amount,
        Status = refuse ? PaymentStatus.Refused : PaymentStatus.Confirmed,
        CreatedAt = now,
        UpdatedAt = now
    };

    public static Payment Tombstone(Guid reservationId, DateTimeOffset now) => new()
    {
        ReservationId = reservationId,
        PaymentId = Guid.CreateVersion7(now),
        Status = PaymentStatus.Cancelled,
        CreatedAt = now,
        UpdatedAt = now
    };

    public void Cancel(DateTimeOffset now)
    {
        if (Status == PaymentStatus.Cancelled)
            return;
        Status = PaymentStatus.Cancelled;
        UpdatedAt = now;
    }
}
