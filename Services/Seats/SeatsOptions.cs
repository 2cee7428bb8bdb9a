using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Seats;

/// <summary>Section <c>Seats</c>.</summary>
public sealed class SeatsOptions
{
    /// <summary>The maximum number of seats of one reservation. Default 4.</summary>
    [Range(1, 50)]
    public int MaxPerReservation { get; set; } = 4;

    /// <summary>The maximum number of seats one user holds or owns of one concert, over all its schedules. Default 4.</summary>
    [Range(1, 1000)]
    public int MaxPerUserAndConcert { get; set; } = 4;

    /// <summary>Whether the start fills an empty database with demo concerts. Default false; AllInOne sets it.</summary>
    public bool SeedDemoData { get; set; }

    /// <summary>
    /// How long decisions that hold no seats are kept. A new hold for a reservation older than half of this is refused. Default 7 days.
    /// </summary>
    [Range(typeof(TimeSpan), "2.00:00:00", "3650.00:00:00")]
    public TimeSpan RefusedRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>The interval between two rounds of the cleaner. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The maximum number of decisions that one statement deletes. Default 250.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 250;
}
