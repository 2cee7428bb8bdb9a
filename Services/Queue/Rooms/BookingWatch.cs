using System.Globalization;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue.Rooms;

/// <summary>Whether the orchestrator takes reservations, or why this replica assumes that it does not.</summary>
internal enum BookingState
{
    /// <summary>The orchestrator takes reservations.</summary>
    Open,

    /// <summary>No recent report has arrived.</summary>
    NoReport,

    /// <summary>The orchestrator reports that it takes no reservations.</summary>
    Closed,

    /// <summary>Too many messages wait at the orchestrator.</summary>
    Backlog,

    /// <summary>Reports arrive, but their instants are too old to trust.</summary>
    ClockDiffers
}

/// <summary>
/// Decides from the orchestrator's reports whether customers can book. A customer who cannot book would only waste the time of the pass, so
/// without a report rooms admit no customer.
/// </summary>
internal sealed class BookingWatch(IOptions<QueueOptions> options, TimeProvider clock)
{
    private static readonly TimeSpan ReportLifetime = TimeSpan.FromSeconds(5);

    // Kept longer, because reports of correct replicas may arrive between those of one with a wrong clock.
    private static readonly TimeSpan DifferenceLifetime = TimeSpan.FromSeconds(10);

    // During startup a missing report is normal.
    private static readonly TimeSpan StartupGrace = TimeSpan.FromSeconds(15);

    private readonly Lock _gate = new();
    private readonly long _startedAt = clock.GetTimestamp();

    // Times of the monotonic clock, because an instant from a wall clock that was ahead would stay recent until it passes.
    private long? _lastOpenAt;
    private long? _lastReportAt;
    private long _differenceAt;
    private BookingReported? _last;
    private TimeSpan _difference;

    public bool IsOpen => State == BookingState.Open;

    public BookingState State
    {
        get
        {
            lock (_gate)
            {
                return IsRecent(_lastOpenAt, ReportLifetime) ? BookingState.Open
                    : !IsRecent(_lastReportAt, ReportLifetime) ? BookingState.NoReport
                    : _last!.Backlog > options.Value.BacklogLimit ? BookingState.Backlog
                    : !_last.IsOpen ? BookingState.Closed
                    : BookingState.ClockDiffers;
            }
        }
    }

    /// <summary>The orchestrator's clock minus this one, from its last reports; transport makes it slightly negative.</summary>
    public TimeSpan ClockDifference
    {
        get
        {
            lock (_gate)
                return IsRecent(_lastReportAt, DifferenceLifetime) ? _difference : TimeSpan.Zero;
        }
    }

    /// <summary>Whether reports are missing only because the process has just started.</summary>
    public bool IsStarting => State == BookingState.NoReport && IsRecent(_startedAt, StartupGrace);

    /// <summary>A problem that an operator should know; null if there is none.</summary>
    public string? Problem => ReasonOf(State) ?? (ClockDifference.Duration() > ClockSkew.Tolerance ? ClockReason() : null);

    /// <summary>Explains why no customer is admitted; null for <see cref="BookingState.Open"/>.</summary>
    public string? ReasonOf(BookingState state) => state switch
    {
        BookingState.Open => null,
        BookingState.NoReport => "The orchestrator has not reported for 5 s. Check that it runs and that both reach the broker.",
        BookingState.Closed => "The orchestrator takes no reservations at the moment.",
        BookingState.Backlog => string.Create(CultureInfo.InvariantCulture,
            $"{_last?.Backlog} messages wait at the orchestrator; Queue:BacklogLimit is {options.Value.BacklogLimit}."),
        _ => ClockReason()
    };

    public void Record(BookingReported report)
    {
        var difference = report.At - clock.GetUtcNow();
        lock (_gate)
        {
            _last = report;
            _lastReportAt = clock.GetTimestamp();
            var isKnownToDiffer = _difference.Duration() > ClockSkew.Tolerance && IsRecent(_differenceAt, DifferenceLifetime);
            if (difference.Duration() > ClockSkew.Tolerance || !isKnownToDiffer)
            {
                _difference = difference;
                _differenceAt = _lastReportAt.Value;
            }
            if (report.Backlog > options.Value.BacklogLimit)
                _lastOpenAt = null;
            // A report that was delayed in transit says nothing about the current state.
            else if (report.IsOpen && -difference < ReportLifetime + ClockSkew.Tolerance)
                _lastOpenAt = _lastReportAt;
        }
    }

    private string ClockReason() => string.Create(CultureInfo.InvariantCulture,
        $"The orchestrator's clock differs by {ClockDifference.Duration().TotalSeconds:F0} s, or its reports are that late. "
            + $"Synchronise the clocks.");

    private bool IsRecent(long? timestamp, TimeSpan within) => timestamp is { } at && clock.GetElapsedTime(at) < within;
}
