using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Orchestrator;

/// <summary>Section <c>Reservation</c>.</summary>
public sealed class ReservationOptions
{
    /// <summary>How long a reservation keeps its seats without payment. Default five minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan HoldDuration { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the saga waits for a reply before it resends a command; doubles with each attempt. Default ten seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1000000", "01:00:00")]
    public TimeSpan StepTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Attempts before a step has timed out. Compensations and confirming seats never give up. Default 5.</summary>
    [Range(1, 20)]
    public int StepAttempts { get; set; } = 5;

    /// <summary>How long a call waits for its outcome if the caller sends no preference. Default three seconds, at most ten.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:10")]
    public TimeSpan AnswerTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Interval at which the sweeper looks for overdue reservations. Default one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.0500000", "00:10:00")]
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long before the concert starts a confirmed reservation stops being cancellable. Default one day.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan CancellationCutoff { get; set; } = TimeSpan.FromDays(1);

    /// <summary>
    /// The address of the seats service, which knows the current start of a schedule. Required for a standalone process; AllInOne sets it.
    /// </summary>
    public Uri? SeatsAddress { get; set; }

    /// <summary>
    /// The address of the relay, which knows what the data platform has. Without it, no paid reservation is deleted. AllInOne sets it.
    /// </summary>
    public Uri? DataPlatformAddress { get; set; }

    /// <summary>Refusals a customer gets before the next request must wait; one is forgotten each second. Default 10.</summary>
    [Range(1, 10_000)]
    public int MaxRefusals { get; set; } = 10;

    /// <summary>
    /// How long a reservation is kept after its outcome, with what every service has about it; the ledger is never deleted. At least as
    /// long as Seats and Points need to refuse late commands by the age of a reservation. Default 400 days.
    /// </summary>
    [Range(typeof(TimeSpan), "30.00:00:00", "3650.00:00:00")]
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(400);

    /// <summary>
    /// How long a reservation that was refused or ended without payment is kept. At least as long as an idempotency key is remembered.
    /// Default 7 days.
    /// </summary>
    [Range(typeof(TimeSpan), "1.00:00:00", "3650.00:00:00")]
    public TimeSpan RefusedRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How many of a customer's reservations that ended without payment are kept; the newest stay. Default 20.</summary>
    [Range(1, 10_000)]
    public int MaxUnpaidKept { get; set; } = 20;

    /// <summary>Interval at which reservations are deleted after their retention. Default 10 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CleaningInterval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Maximum number of reservations that one statement deletes. Default 250.</summary>
    [Range(1, 100_000)]
    public int CleaningBatch { get; set; } = 250;

    /// <summary>How long until one refusal is forgotten.</summary>
    internal TimeSpan RefusalForgottenAfter { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the message that starts a saga may take. The outbox resends it; the sweeper would only add to the load.</summary>
    internal TimeSpan StartTimeout => StepTimeout * 6;

    /// <summary>How long the saga waits for the reply to an attempt. Doubles up to the last attempt, then stays at that interval.</summary>
    internal TimeSpan BackOff(int attempt) => StepTimeout * Math.Pow(2, Math.Min(attempt, StepAttempts) - 1);
}
