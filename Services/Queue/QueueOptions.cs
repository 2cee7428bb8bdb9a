using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Queue;

/// <summary>Section <c>Queue</c>. Operators can change the settings marked "per concert" for each room at run time.</summary>
public sealed class QueueOptions
{
    /// <summary>How many customers can have an offer or a pass at the same time. Default 50; per concert.</summary>
    [Range(1, 100_000)]
    public int Capacity { get; set; } = 50;

    /// <summary>The maximum number of customers admitted at once. Default 10; per concert.</summary>
    [Range(1, 10_000)]
    public int BatchSize { get; set; } = 10;

    /// <summary>How often customers are admitted. Default five seconds; per concert.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1000000", "01:00:00")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a customer can claim an offer; it bounds the poll interval. Default one minute; per concert.</summary>
    [Range(typeof(TimeSpan), "00:00:03", "01:00:00")]
    public TimeSpan ClaimWindow { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a pass opens every route. Default ten minutes; per concert.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "04:00:00")]
    public TimeSpan PassLifetime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How long a waiting token is valid. The entry itself stays, and entering again returns a new token for it. Default one day.
    /// </summary>
    [Range(typeof(TimeSpan), "00:01:00", "30.00:00:00")]
    public TimeSpan PlaceLifetime { get; set; } = TimeSpan.FromDays(1);

    /// <summary>The polls per second that all waiting customers of a concert may cause together. Default 20,000.</summary>
    [Range(1, 10_000_000)]
    public int PollBudget { get; set; } = 20_000;

    /// <summary>Admission stops while more messages than this wait at the orchestrator. Default 1,000.</summary>
    [Range(1, 100_000)]
    public int BacklogLimit { get; set; } = 1_000;

    /// <summary>The maximum number of entries that wait to be written. Further ones get 503. Default 20,000.</summary>
    [Range(1, 1_000_000)]
    public int MaxWaitingEntries { get; set; } = 20_000;

    /// <summary>How often each replica checks whether an admission is due. Default 250 milliseconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.0200000", "00:00:05")]
    public TimeSpan TickInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    // Ticks that are rarer than admissions would make the announced rate wrong.
    internal TimeSpan EffectiveTickInterval => TickInterval < Interval ? TickInterval : Interval;

    /// <summary>How long a key signs tokens. Default one day.</summary>
    [Range(typeof(TimeSpan), "00:10:00", "365.00:00:00")]
    public TimeSpan KeyRotation { get; set; } = TimeSpan.FromDays(1);

    /// <summary>The address of the seats service, which owns the concerts. Required; AllInOne sets it.</summary>
    public Uri? SeatsAddress { get; set; }

    /// <summary>The address of the orchestrator, which owns the reservations. Required; AllInOne sets it.</summary>
    public Uri? OrchestratorAddress { get; set; }

    /// <summary>How often Queue compares the passes with the orchestrator's outcomes. Default five seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan ReconciliationInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often Queue compares the concerts with the seats service. Default one minute.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan ConcertsInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long Queue keeps an ended entry after its last token has expired, and all entries after the end of the sale. Default seven days.
    /// </summary>
    [Range(typeof(TimeSpan), "01:00:00", "365.00:00:00")]
    public TimeSpan PlaceRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How often Queue deletes ended entries. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The maximum number of entries that one statement deletes. Default 250.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 250;
}
