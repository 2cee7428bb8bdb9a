using System.Diagnostics.Metrics;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>
/// Counts the reservations that have not ended, under the meter <c>ConcertSaga</c>. It does not count those that have: their number grows
/// without limit, and their outcomes are events. It also counts minutes of the overview in advance.
/// </summary>
internal sealed class ReservationCounter : PeriodicTask
{
    private static readonly string[] Unfinished = [.. ReservationStates.All.Except(ReservationStates.Finished)];

    private readonly Meter _meter = new("ConcertSaga");
    private readonly IServiceScopeFactory _scopes;
    private readonly ReservationOverviewReader _overview;
    private volatile ReservationCounts? _counts;
    private bool _isDisposed;

    public ReservationCounter(
        IServiceScopeFactory scopes, ReservationOverviewReader overview, TimeProvider clock, ILogger<ReservationCounter> logger)
        : base("Counting reservations", TimeSpan.FromSeconds(10), clock, logger)
    {
        _scopes = scopes;
        _overview = overview;
        _meter.CreateObservableGauge("reservations.by_state",
            () => Unfinished.Where(_ => _counts is not null).Select(state =>
                new Measurement<int>(_counts!.ByState.GetValueOrDefault(state), new KeyValuePair<string, object?>("state", state))),
            "{reservation}", "Reservations in each state that is not final.");
        _meter.CreateObservableGauge("reservations.overdue", () => Measure(counts => counts.Overdue), "{reservation}",
            "Reservations whose deadline has passed, and which no sweeper has moved on yet.");
        _meter.CreateObservableGauge("reservations.stuck", () => Measure(counts => counts.Stuck), "{reservation}",
            "Reservations whose current step never gives up and is unanswered after all its attempts.");
    }

    protected override bool RunsAtStart => true;

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        _counts = await ReservationCounts.ReadAsync(database, Clock.GetUtcNow(), cancellationToken);
        await _overview.CloseMinutesAsync(cancellationToken);
    }

    public override void Dispose()
    {
        // The container disposes a service once per registration.
        if (_isDisposed)
            return;
        _isDisposed = true;
        _meter.Dispose();
        base.Dispose();
    }

    private IEnumerable<Measurement<int>> Measure(Func<ReservationCounts, int> value) =>
        _counts is { } counts ? [new Measurement<int>(value(counts))] : [];
}

/// <summary>The numbers of unfinished reservations.</summary>
internal sealed record ReservationCounts(Dictionary<string, int> ByState, int Overdue, int Stuck)
{
    public static async Task<ReservationCounts> ReadAsync(
        OrchestratorDbContext database, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var reservations = database.Reservations;
        var byState = await reservations.Where(row => row.Deadline != null).GroupBy(row => row.CurrentState)
            .Select(group => new { State = group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.State, group => group.Count, cancellationToken);
        var overdue = await reservations.CountAsync(row => row.Deadline <= now, cancellationToken);
        var stuck = await reservations.CountAsync(row => row.StuckSince != null, cancellationToken);
        return new ReservationCounts(byState, overdue, stuck);
    }
}
