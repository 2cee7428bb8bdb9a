using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.DataPlatform;

/// <summary>Section <c>DataPlatform</c>.</summary>
public sealed class DataPlatformOptions
{
    /// <summary>Where deliveries are posted to. Required; https unless <see cref="AllowedNetworks"/> is given. AllInOne fills in its own receiver.</summary>
    public Uri? Destination { get; set; }

    /// <summary>
    /// The secrets deliveries are signed with, each <c>whsec_</c> and 24 to 64 bytes in base64. Required. With several, each signs, so that the
    /// receiver can change from one to the next without a gap.
    /// </summary>
    public string[] Secrets { get; set; } = [];

    /// <summary>
    /// Networks that may be connected to although they are private, loopback, link-local or otherwise not public, such as <c>10.20.0.0/16</c>.
    /// Default none.
    /// </summary>
    public string[] AllowedNetworks { get; set; } = [];

    /// <summary>How long the destination may take to answer. Default 15 seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1000000", "00:02:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Deliveries each replica sends at the same time at most. Default 32.</summary>
    [Range(1, 1_000)]
    public int Concurrency { get; set; } = 32;

    /// <summary>
    /// For how long a replica takes a delivery for itself. One that is not sent while there is still time for the answer is given back unsent.
    /// Default one minute; at least five seconds more than <see cref="Timeout"/>.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:05", "01:00:00")]
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How often each replica looks for due deliveries that nobody has told it of. Default one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.0200000", "00:01:00")]
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>A delivery is given up when this many attempts have failed, and it is as old as <see cref="MaxAge"/>. Default 9.</summary>
    [Range(1, 100)]
    public int MaxAttempts { get; set; } = 9;

    /// <summary>A delivery is given up when it is this old, and <see cref="MaxAttempts"/> attempts have failed. Default one day.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromDays(1);

    /// <summary>The longest <c>Retry-After</c> that is waited for; of a longer one this much. Default ten hours, the longest pause of the schedule.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "7.00:00:00")]
    public TimeSpan MaxRetryAfter { get; set; } = TimeSpan.FromHours(10);

    /// <summary>How many of its last attempts are kept with each delivery. Default 20.</summary>
    [Range(1, 1_000)]
    public int AttemptsKept { get; set; } = 20;

    /// <summary>Share of attempts that must fail before the destination is left alone, 0 to 1. Default 0.5.</summary>
    [Range(0.01, 1.0)]
    public double BreakerFailureRatio { get; set; } = 0.5;

    /// <summary>Over how long that share is taken. Default 30 seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5000000", "01:00:00")]
    public TimeSpan BreakerSampling { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>With fewer attempts than this in that time the share says nothing. Default 10.</summary>
    [Range(2, 10_000)]
    public int BreakerMinimum { get; set; } = 10;

    /// <summary>How long the destination is left alone before one delivery tries whether it is back. Default 30 seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5000000", "01:00:00")]
    public TimeSpan BreakerPause { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Where the orchestrator is, which knows all outcomes. Required; AllInOne fills it in.</summary>
    public Uri? OrchestratorAddress { get; set; }

    /// <summary>How often the deliveries are compared with the orchestrator's outcomes. Default one minute.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan ReconciliationInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How far behind the newest outcome that was seen each comparison begins. Default ten minutes, longer than a change can take from its
    /// time stamp to its commit.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan ReconciliationOverlap { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long delivered and discarded ones are kept; dead ones are kept for good. Default 30 days.</summary>
    [Range(typeof(TimeSpan), "01:00:00", "3650.00:00:00")]
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often those are deleted whose time is over. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The most deliveries one statement deletes; more than that takes several. Default 1,000.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 1_000;
}
