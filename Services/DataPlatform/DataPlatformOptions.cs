using System.ComponentModel.DataAnnotations;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.DataPlatform;

/// <summary>Section <c>DataPlatform</c>.</summary>
public sealed class DataPlatformOptions
{
    /// <summary>
    /// The http or https address that receives deliveries, without user and password. Required; https unless <see cref="AllowedNetworks"/>
    /// is given. AllInOne sets the address of its own receiver.
    /// </summary>
    public Uri? Destination { get; set; }

    /// <summary>
    /// The secrets that sign deliveries, each <c>whsec_</c> and 24 to 64 bytes in base64. Required. Each secret adds a signature, so a
    /// receiver can change its secret without a gap.
    /// </summary>
    public string[] Secrets { get; set; } = [];

    /// <summary>
    /// Networks that are allowed although they are private, loopback, link-local or otherwise not public, such as <c>10.20.0.0/16</c>.
    /// Default none.
    /// </summary>
    public string[] AllowedNetworks { get; set; } = [];

    /// <summary>How long the destination may take to answer. Default 15 seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1000000", "00:02:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>The maximum number of concurrent deliveries of each replica. Default 32.</summary>
    [Range(1, 1_000)]
    public int Concurrency { get; set; } = 32;

    /// <summary>
    /// How long a replica leases a delivery. A delivery without enough time left for an answer is returned unsent. Default one minute; at
    /// least five seconds more than <see cref="Timeout"/>.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:05", "01:00:00")]
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How often each replica looks for due deliveries. New deliveries are sent without this wait. Default one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.0200000", "00:01:00")]
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The relay gives a delivery up after this many counted failures, once the first of them is at least <see cref="MaxAge"/> old.
    /// Default 9.
    /// </summary>
    [Range(1, 100)]
    public int MaxAttempts { get; set; } = 9;

    /// <summary>
    /// The relay gives a delivery up this long after its first counted failure, once <see cref="MaxAttempts"/> have failed. Default one
    /// day.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromDays(1);

    /// <summary>
    /// The maximum wait for a <c>Retry-After</c> of the destination; a longer one is reduced to this. Default one hour.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "7.00:00:00")]
    public TimeSpan MaxRetryAfter { get; set; } = TimeSpan.FromHours(1);

    /// <summary>The number of most recent attempts kept for each delivery. Default 20.</summary>
    [Range(1, 1_000)]
    public int AttemptsKept { get; set; } = 20;

    /// <summary>The share of failed attempts that opens the breaker, 0 to 1. Default 0.5.</summary>
    [Range(0.01, 1.0)]
    public double BreakerFailureRatio { get; set; } = 0.5;

    /// <summary>The window over which that share is computed. Default 30 seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5000000", "01:00:00")]
    public TimeSpan BreakerSampling { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The minimum number of attempts in that window. This many deliveries that fail in a row also open the breaker, in any time. Default
    /// 10.
    /// </summary>
    [Range(2, 10_000)]
    public int BreakerMinimum { get; set; } = 10;

    /// <summary>
    /// How long the breaker stays open before a trial, unless the destination sends <c>Retry-After</c>. The second pause is equally long,
    /// and each later one doubles. Default 30 seconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.5000000", "01:00:00")]
    public TimeSpan BreakerPause { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The maximum of these pauses. Default five minutes; at least <see cref="BreakerPause"/>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5000000", "01:00:00")]
    public TimeSpan BreakerMaxPause { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>The address of the orchestrator, for reconciliation. Required; AllInOne sets it.</summary>
    public Uri? OrchestratorAddress { get; set; }

    /// <summary>How often the relay compares its deliveries with the orchestrator's outcomes. Default one minute.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan ReconciliationInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How far before the newest known outcome each round begins. Default ten minutes, longer than a change takes from its timestamp to its
    /// commit.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan ReconciliationOverlap { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long delivered and discarded deliveries are kept. Dead ones are never deleted. Default 30 days.</summary>
    [Range(typeof(TimeSpan), "01:00:00", "3650.00:00:00")]
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often the cleaner deletes deliveries after their retention. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The maximum number of deliveries that one statement deletes. Default 250.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 250;

    /// <summary>Checks what no attribute can check, and pairs of settings that can contradict each other.</summary>
    /// <exception cref="StartupException">A setting is invalid. The message is one line and repeats no address.</exception>
    public void Check() => DataPlatformRules.Check(this);
}
