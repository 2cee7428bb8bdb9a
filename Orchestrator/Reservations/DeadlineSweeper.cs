using System.Linq.Expressions;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Background;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Finds reservations whose deadline has passed and notifies their saga; each replica runs a sweeper. It rests while the bus is unhealthy
/// and for one step timeout afterwards, so an outage does not end in a storm of resent commands whose replies were only delayed.
/// </summary>
public sealed class DeadlineSweeper(
    IServiceScopeFactory scopes, IBus bus, BookingGate gate, IOptions<ReservationOptions> options, TimeProvider clock,
    ILogger<DeadlineSweeper> logger)
    : PeriodicTask("Sweeping overdue reservations", options.Value.SweepInterval, clock, logger)
{
    private const int MaxPerSweep = 100;

    // No sweeper takes a claimed row again before this, unless its deadline is new. By then the saga has acted, or the event was lost.
    private static readonly TimeSpan Claim = TimeSpan.FromSeconds(10);

    private readonly DateTimeOffset _startedAt = clock.GetUtcNow();

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        while (!IsResting() && await SweepAsync(cancellationToken) == MaxPerSweep)
        {
        }
    }

    private bool IsResting() => gate.HealthySince is not { } since
        // A bus that became healthy as the process started has had no outage.
        || (since - _startedAt > TimeSpan.FromSeconds(5) && Clock.GetUtcNow() - since < options.Value.StepTimeout);

    private async Task<int> SweepAsync(CancellationToken stoppingToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        var now = Clock.GetUtcNow();
        var due = await database.Reservations.Where(r => r.Deadline <= now).Where(IsUnclaimed(now))
            .OrderBy(r => r.Deadline).Take(MaxPerSweep).Select(r => r.CorrelationId).ToListAsync(stoppingToken);
        if (due.Count == 0)
            return 0;

        // If two replicas read the same row, the second finds it claimed. Should both send the event, the saga still acts once.
        await using (var transaction = await database.Database.BeginTransactionAsync(stoppingToken))
        {
            await database.Reservations.Where(r => due.Contains(r.CorrelationId)).Where(IsUnclaimed(now))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.SweptAt, now), stoppingToken);
            await transaction.CommitAsync(stoppingToken);
        }
        var claimed = await database.Reservations.Where(r => due.Contains(r.CorrelationId) && r.SweptAt == now)
            .Select(r => r.CorrelationId).ToListAsync(stoppingToken);

        var endpoint = await bus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.Reservations));
        await endpoint.SendBatch(claimed.Select(id => new ReservationDeadlineReached(id)), stoppingToken);
        return due.Count;
    }

    // A claim in the future comes from a clock that was ahead. To honour it would leave the reservation unswept until then.
    private static Expression<Func<Reservation, bool>> IsUnclaimed(DateTimeOffset now)
    {
        var endedClaim = now - Claim;
        var latestClaim = now + ClockSkew.Tolerance;
        return r => r.SweptAt == null || r.SweptAt < endedClaim || r.SweptAt < r.Deadline || r.SweptAt > latestClaim;
    }
}
