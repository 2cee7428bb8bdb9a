using ConcertSaga.Contracts.Seats;

namespace ConcertSaga.Seats.Data;

public enum SeatHoldStatus
{
    Held,
    Refused,
    Confirmed,
    Released
}

/// <summary>
/// The decision row of a reservation's seats, shared by all three commands. A late <see cref="HoldSeats"/> and an early
/// <see cref="ReleaseSeats"/> compete for its key, so only one of them is first. The cleaner deletes old rows that hold no seats;
/// the others stay as long as the reservation.
/// </summary>
public sealed class SeatHold
{
    public Guid ReservationId { get; private init; }

    /// <summary>The customer; empty on a tombstone.</summary>
    public string UserId { get; private init; } = "";

    /// <summary>The concert of the schedule; null if no seat was ever held.</summary>
    public int? ConcertId { get; private init; }

    /// <summary>The requested schedule; null on a tombstone.</summary>
    public int? ScheduleId { get; private init; }

    /// <summary>The requested seats, in ascending order.</summary>
    public int[] SeatNumbers { get; private init; } = [];

    public int SeatCount { get; private init; }

    public DateTimeOffset? StartsAt { get; private init; }

    /// <summary>In points.</summary>
    public long TotalPrice { get; private init; }

    public SeatHoldStatus Status { get; private set; }

    /// <summary>Why the hold was refused; on a held row, why its confirmation was refused.</summary>
    public string? Code { get; private set; }

    /// <summary>The seats that caused a refusal.</summary>
    public int[] RefusedSeats { get; private init; } = [];

    public DateTimeOffset CreatedAt { get; private init; }

    public DateTimeOffset UpdatedAt { get; private set; }

    public static SeatHold Hold(HoldSeats command, int[] numbers, int concertId, DateTimeOffset startsAt, long totalPrice,
        DateTimeOffset now) => new()
        {
            ReservationId = command.ReservationId,
            UserId = command.UserId,
            ConcertId = concertId,
            ScheduleId = command.ScheduleId,
            SeatNumbers = numbers,
            SeatCount = numbers.Length,
            StartsAt = startsAt,
            TotalPrice = totalPrice,
            Status = SeatHoldStatus.Held,
            CreatedAt = now,
            UpdatedAt = now
        };

    public static SeatHold Refuse(HoldSeats command, int[] numbers, string code, int[] refusedSeats, DateTimeOffset now) => new()
    {
        ReservationId = command.ReservationId,
        UserId = command.UserId,
        ScheduleId = command.ScheduleId,
        SeatNumbers = numbers,
        SeatCount = numbers.Length,
        Status = SeatHoldStatus.Refused,
        Code = code,
        RefusedSeats = refusedSeats,
        CreatedAt = now,
        UpdatedAt = now
    };

    /// <summary>Whether it has seats.</summary>
    public bool HasSeats => Status is SeatHoldStatus.Held or SeatHoldStatus.Confirmed;

    /// <summary>Refuses every later hold of a reservation that has none yet.</summary>
    public static SeatHold Tombstone(Guid reservationId, DateTimeOffset now) => new()
    {
        ReservationId = reservationId,
        Status = SeatHoldStatus.Released,
        CreatedAt = now,
        UpdatedAt = now
    };

    public void Confirm(DateTimeOffset now) => (Status, UpdatedAt) = (SeatHoldStatus.Confirmed, now);

    /// <summary>Refuses the sale. The seats stay held until they are released.</summary>
    public void RefuseConfirmation(string code, DateTimeOffset now) => (Code, UpdatedAt) = (code, now);

    public void Release(DateTimeOffset now) => (Status, UpdatedAt) = (SeatHoldStatus.Released, now);
}
