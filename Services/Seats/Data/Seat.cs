namespace ConcertSaga.Seats.Data;

public enum SeatStatus
{
    Available,
    Held,
    Sold
}

/// <summary>A numbered seat of one schedule.</summary>
public sealed class Seat
{
    public int ScheduleId { get; init; }

    public Schedule? Schedule { get; init; }

    public required int Number { get; init; }

    /// <summary>In points.</summary>
    public required long Price { get; init; }

    public SeatStatus Status { get; set; }

    /// <summary>The reservation that holds or bought the seat; null exactly when it is available.</summary>
    public Guid? ReservationId { get; set; }
}
