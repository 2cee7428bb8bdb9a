using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Points;

/// <summary>Section <c>Points</c>.</summary>
public sealed class PointsOptions
{
    /// <summary>The most points one charge adds. Default 1,000,000.</summary>
    [Range(1, 1_000_000_000)]
    public long MaxCharge { get; set; } = 1_000_000;

    /// <summary>The balance a charge cannot exceed. Default 100,000,000. A refund can: points that were taken are always given back.</summary>
    [Range(1, 1_000_000_000_000)]
    public long MaxBalance { get; set; } = 100_000_000;

    /// <summary>How long the key of a charge is remembered. Default 24 hours.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "365.00:00:00")]
    public TimeSpan ChargeKeyRetention { get; set; } = TimeSpan.FromHours(24);

    /// <summary>How often forgotten keys are deleted. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The most keys one statement deletes; more than that takes several. Default 1,000.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 1_000;
}
