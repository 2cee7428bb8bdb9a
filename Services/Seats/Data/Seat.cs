namespace ConcertSaga.Seats.Data;

public enum SeatStatus
{
    Available,
    Held,
    Sold
}

/// <summary>One seat of one date.</summary>
public sealed class Seat
{
    public int ScheduleId { get; init; }

    public Schedule? Schedule { get; init; }

    public required int Number { get; init; }

    /// <summary>In points.</summary>
    public required long Price { get; init; }

    public SeatStatus Status { get; init; }

    /// <summary>Whose the seat is; null exactly when it is available.</summary>
    public Guid? ReservationId { get; init; }
}
