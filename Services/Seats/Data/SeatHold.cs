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
/// What was decided about the seats of a reservation; the one decision for all three commands, kept for good. Its key is what a late
/// <see cref="HoldSeats"/> and an early <see cref="ReleaseSeats"/> meet on: only one of them can write it first.
/// </summary>
public sealed class SeatHold
{
    public Guid ReservationId { get; private init; }

    /// <summary>Whose seats; empty on a tombstone.</summary>
    public string UserId { get; private init; } = "";

    /// <summary>The concert of the date; null where no seat was ever held.</summary>
    public int? ConcertId { get; private init; }

    /// <summary>The date asked for; null on a tombstone.</summary>
    public int? ScheduleId { get; private init; }

    /// <summary>The seats asked for, ascending.</summary>
    public int[] SeatNumbers { get; private init; } = [];

    public int SeatCount { get; private init; }

    public DateTimeOffset? StartsAt { get; private init; }

    /// <summary>In points.</summary>
    public long TotalPrice { get; private init; }

    public SeatHoldStatus Status { get; private init; }

    /// <summary>Why it was refused; on a held row, why its confirmation was.</summary>
    public string? Code { get; private init; }

    /// <summary>The seats that were the reason of a refusal.</summary>
    public int[] RefusedSeats { get; private init; } = [];

    public DateTimeOffset CreatedAt { get; private init; }

    public DateTimeOffset UpdatedAt { get; private init; }

    public static SeatHold Hold(HoldSeats command, int[] numbers, int concertId, DateTimeOffset startsAt, long totalPrice, DateTimeOffset now) => new()
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

    /// <summary>Closes the step for a reservation that never held a seat.</summary>
    public static SeatHold Tombstone(Guid reservationId, DateTimeOffset now) => new()
    {
        ReservationId = reservationId,
        Status = SeatHoldStatus.Released,
        CreatedAt = now,
        UpdatedAt = now
    };
}
