using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Queue;

/// <summary>Section <c>Queue</c>. What a concert can have of its own, an operator changes per concert while the system runs.</summary>
public sealed class QueueOptions
{
    /// <summary>How many people can have a pass for one concert at the same time. Default 50; per concert.</summary>
    [Range(1, 100_000)]
    public int Capacity { get; set; } = 50;

    /// <summary>How many people are let in at once at most. Default 10; per concert.</summary>
    [Range(1, 10_000)]
    public int BatchSize { get; set; } = 10;

    /// <summary>How often people are let in. Default five seconds; per concert.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1000000", "01:00:00")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long an offered pass waits to be fetched. Default one minute, longer than anybody is told to stay away; per concert.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan ClaimWindow { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a pass opens every route. Default ten minutes; per concert.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "04:00:00")]
    public TimeSpan PassLifetime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a waiting token is valid; the place itself is kept, and entering again gives a new token for it. Default one day.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "30.00:00:00")]
    public TimeSpan PlaceLifetime { get; set; } = TimeSpan.FromDays(1);

    /// <summary>Polls per second that all waiting people of a concert together may cause. Default 20,000.</summary>
    [Range(1, 10_000_000)]
    public int PollBudget { get; set; } = 20_000;

    /// <summary>With more messages than this waiting at the orchestrator nobody is let in. Default 1,000.</summary>
    [Range(1, 100_000)]
    public int BacklogLimit { get; set; } = 1_000;

    /// <summary>Entries that may wait to be written; further ones are answered 503. Default 20,000.</summary>
    [Range(1, 1_000_000)]
    public int MaxWaitingEntries { get; set; } = 20_000;

    /// <summary>How often each replica looks whether it is time to let people in. Default 250 milliseconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.0200000", "00:00:05")]
    public TimeSpan TickInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How long a key signs tokens. Default one day.</summary>
    [Range(typeof(TimeSpan), "00:10:00", "365.00:00:00")]
    public TimeSpan KeyRotation { get; set; } = TimeSpan.FromDays(1);

    /// <summary>Where the seats service is, which knows the concerts. Required; AllInOne fills it in.</summary>
    public Uri? SeatsAddress { get; set; }

    /// <summary>How often the concerts are compared with those of the seats service. Default one minute.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan ConcertsInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long a place that has ended is kept after its last token has expired, and everybody's after the end of the sale. Default seven days.
    /// </summary>
    [Range(typeof(TimeSpan), "01:00:00", "365.00:00:00")]
    public TimeSpan PlaceRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How often such places are deleted. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The most places one statement deletes; more than that takes several. Default 1,000.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 1_000;
}
