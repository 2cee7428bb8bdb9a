using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Seats;

/// <summary>Section <c>Seats</c>.</summary>
public sealed class SeatsOptions
{
    /// <summary>The most seats one reservation holds. Default 4.</summary>
    [Range(1, 50)]
    public int MaxPerReservation { get; set; } = 4;

    /// <summary>The most seats one user holds or owns for one concert, over all its dates. Default 4.</summary>
    [Range(1, 1000)]
    public int MaxPerUserAndConcert { get; set; } = 4;

    /// <summary>Whether an empty database is filled with demo concerts at start. Default false; AllInOne sets it.</summary>
    public bool SeedDemoData { get; set; }
}
