using System.ComponentModel.DataAnnotations;

namespace ConcertSaga.Orchestrator;

/// <summary>Section <c>Reservation</c>.</summary>
public sealed class ReservationOptions
{
    /// <summary>How long unpaid seats stay with their reservation. Default five minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan HoldDuration { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a step may go unanswered before its command is sent again; doubles with each attempt. Default ten seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1000000", "01:00:00")]
    public TimeSpan StepTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How often a command is sent before the step counts as timed out. Undoing steps are never given up. Default 5.</summary>
    [Range(1, 20)]
    public int StepAttempts { get; set; } = 5;

    /// <summary>How long a booking call waits for its outcome unless the caller says otherwise. Default three seconds, at most ten.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:10")]
    public TimeSpan AnswerTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How often overdue reservations are looked for. Default one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.0500000", "00:10:00")]
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Until how long before its start a confirmed reservation can be cancelled. Default one day.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan CancellationCutoff { get; set; } = TimeSpan.FromDays(1);
}
