using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Points;

/// <summary>Section <c>Points</c>.</summary>
public sealed class PointsOptions
{
    /// <summary>The maximum number of points of one charge. Default 1,000,000.</summary>
    [Range(1, 1_000_000_000)]
    public long MaxCharge { get; set; } = 1_000_000;

    /// <summary>
    /// The highest balance a charge can reach. Default 100,000,000. A refund may exceed it, because a refund is never refused.
    /// </summary>
    [Range(1, 1_000_000_000_000)]
    public long MaxBalance { get; set; } = 100_000_000;

    /// <summary>How long idempotency keys of charges are kept. Default 24 hours.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "365.00:00:00")]
    public TimeSpan ChargeKeyRetention { get; set; } = TimeSpan.FromHours(24);

    /// <summary>
    /// How long refused deductions are kept. A new deduction for a reservation older than half of this is refused. Default 7 days.
    /// </summary>
    [Range(typeof(TimeSpan), "4.00:00:00", "3650.00:00:00")]
    public TimeSpan RefusedRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>The interval between two rounds of the cleaner. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The maximum number of rows that one statement deletes. Default 250.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 250;
}
