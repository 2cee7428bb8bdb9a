using ConcertSaga.Contracts.Operations;
using ConcertSaga.Orchestrator.Reservations;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Orchestrator.Operations;

/// <summary>
/// Reads the overview of reservations. Its cost does not depend on the number of finished ones: it counts a minute by index ranges, and
/// keeps the counts of a minute that can no longer change.
/// </summary>
internal sealed class ReservationOverviewReader(IServiceScopeFactory scopes, MessageBacklog backlog, TimeProvider clock) : IDisposable
{
    private const int Minutes = 60, MinutesPerRun = 10, SampledOutcomes = 500;

    // The instant of a change is taken before its commit, so a row can become visible late.
    private static readonly TimeSpan CommitDelay = TimeSpan.FromMinutes(2);

    private readonly SemaphoreSlim _turn = new(1);
    private readonly Dictionary<DateTimeOffset, ReservationMinute> _closed = [];

    public async Task<ReservationOverview> ReadAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
            var now = clock.GetUtcNow();
            var first = ForgetUntil(now);
            var counts = await ReservationCounts.ReadAsync(database, now, cancellationToken);
            var oldest = await database.Reservations.Where(row => row.Deadline != null).OrderBy(row => row.CreatedAt)
                .ThenBy(row => row.CorrelationId).Select(row => (DateTimeOffset?)row.CreatedAt).FirstOrDefaultAsync(cancellationToken);
            return new ReservationOverview(counts.ByState, counts.Stuck, counts.Overdue, oldest,
                await ReadMinutesAsync(database, first, now, cancellationToken), await ReadStepsAsync(database, first, cancellationToken),
                backlog.Count, backlog.OldestAge.TotalSeconds);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>
    /// Counts some of the minutes that can no longer change, the latest first. A read after a start would have to count all of them.
    /// </summary>
    public async Task CloseMinutesAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
            var now = clock.GetUtcNow();
            var first = ForgetUntil(now);
            var open = Enumerable.Range(0, Minutes).Select(minute => first.AddMinutes(minute))
                .Where(minute => IsOver(minute, now) && !_closed.ContainsKey(minute)).Reverse().Take(MinutesPerRun).ToList();
            foreach (var minute in open)
                _closed[minute] = await CountAsync(database, minute, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    // Returns the first minute of the overview.
    private DateTimeOffset ForgetUntil(DateTimeOffset now)
    {
        var first = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMinute)).AddMinutes(1 - Minutes);
        foreach (var old in _closed.Keys.Where(minute => minute < first).ToList())
            _closed.Remove(old);
        return first;
    }

    private static bool IsOver(DateTimeOffset minute, DateTimeOffset now) => minute.AddMinutes(1) + CommitDelay <= now;

    private async Task<ReservationMinute[]> ReadMinutesAsync(
        OrchestratorDbContext database, DateTimeOffset first, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var minutes = new ReservationMinute[Minutes];
        for (var i = 0; i < Minutes; i++)
        {
            var at = first.AddMinutes(i);
            minutes[i] = _closed.GetValueOrDefault(at) ?? await CountAsync(database, at, cancellationToken);
            if (IsOver(at, now))
                _closed[at] = minutes[i];
        }
        return minutes;
    }

    private static async Task<ReservationMinute> CountAsync(
        OrchestratorDbContext database, DateTimeOffset from, CancellationToken cancellationToken)
    {
        var to = from.AddMinutes(1);
        var rows = database.Reservations;
        // One index serves the unfinished reservations, and another one each final state.
        var requested = await ReservationStates.Finished
            .Select(state => rows.Where(row => row.Deadline == null && row.CurrentState == state))
            .Append(rows.Where(row => row.Deadline != null))
            .Select(part => part.Where(row => row.CreatedAt >= from && row.CreatedAt < to).Select(row => row.CorrelationId))
            .Aggregate(Queryable.Concat).CountAsync(cancellationToken);
        var confirmed = await rows.CountAsync(row => row.ConfirmedAt != null && row.CurrentState == ReservationStates.Confirmed
            && row.UpdatedAt >= from && row.UpdatedAt < to, cancellationToken);
        var failed = await rows.Where(row => row.Deadline == null && row.ConfirmedAt == null && row.UpdatedAt >= from && row.UpdatedAt < to)
            .GroupBy(row => row.FailureCode ?? row.CurrentState).Select(group => new { Code = group.Key, Count = group.Count() })
            .ToDictionaryAsync(group => group.Code, group => group.Count, cancellationToken);
        return new ReservationMinute(from, requested, confirmed, failed);
    }

    private static async Task<StepLatency[]> ReadStepsAsync(
        OrchestratorDbContext database, DateTimeOffset since, CancellationToken cancellationToken)
    {
        var confirmed = await database.Reservations.Where(row => row.ConfirmedAt != null && row.UpdatedAt >= since
            && (row.CurrentState == ReservationStates.Confirmed || row.CurrentState == ReservationStates.Cancelled))
            .OrderByDescending(row => row.UpdatedAt).ThenByDescending(row => row.CorrelationId).Take(SampledOutcomes)
            .Select(row => row.CorrelationId).ToListAsync(cancellationToken);
        var unpaid = await database.Reservations.Where(row => row.Deadline == null && row.ConfirmedAt == null && row.UpdatedAt >= since)
            .OrderByDescending(row => row.UpdatedAt).Take(SampledOutcomes).Select(row => row.CorrelationId).ToListAsync(cancellationToken);
        List<Guid> ids = [.. confirmed, .. unpaid];
        var history = await database.Transitions.AsNoTracking().Where(row => ids.Contains(row.ReservationId))
            .ToListAsync(cancellationToken);
        return StepsOf(history);
    }

    /// <summary>Measures the time in each state that waits for a reply. A resend does not end it.</summary>
    internal static StepLatency[] StepsOf(IEnumerable<ReservationTransition> history)
    {
        var durations = ReservationStates.All.ToDictionary(state => state, _ => new List<double>());
        foreach (var reservation in history.GroupBy(row => row.ReservationId))
        {
            ReservationTransition? entered = null;
            foreach (var row in reservation.OrderBy(row => row.Sequence).Where(row => row.FromState != row.ToState))
            {
                if (entered is not null && row.FromState == entered.ToState)
                    durations[entered.ToState].Add((row.At - entered.At).TotalMilliseconds);
                entered = row;
            }
        }
        return
        [
            .. durations.Where(state => state.Value.Count > 0 && state.Key != ReservationStates.AwaitingPayment
                && !ReservationStates.Finished.Contains(state.Key)).Select(state =>
                {
                    state.Value.Sort();
                    return new StepLatency(state.Key, state.Value.Count, Percentile(state.Value, 0.5), Percentile(state.Value, 0.99));
                })
        ];
    }

    private static double Percentile(List<double> sorted, double share) => sorted[(int)Math.Ceiling(share * sorted.Count) - 1];
}

/// <summary>Serves the overview to Operations. The gateway does not route here.</summary>
internal static class ReservationOverviewEndpoints
{
    public static void MapReservationOverview(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/internal/overview/reservations", GetOverview);

    /// <summary>Returns the overview of reservations.</summary>
    internal static async Task<Ok<ReservationOverview>> GetOverview(
        ReservationOverviewReader reader, CancellationToken cancellationToken) =>
        TypedResults.Ok(await reader.ReadAsync(cancellationToken));
}
