using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Deadlines are data: on every replica the sweeper takes reservations whose deadline has passed and tells their saga. It rests while the
/// bus is unhealthy, and for one step timeout after, so that an outage is not followed by a storm of commands that were only waiting.
/// </summary>
public sealed partial class DeadlineSweeper(
    IServiceScopeFactory scopes, IBus bus, BusWatch watch, IOptions<ReservationOptions> options, TimeProvider clock, ILogger<DeadlineSweeper> logger)
    : BackgroundService
{
    private const int MostPerSweep = 100;

    // A swept row is left alone this long, unless its deadline is a newer one; the saga has acted by then, or the event was lost.
    private static readonly TimeSpan Claim = TimeSpan.FromSeconds(10);

    private readonly DateTimeOffset _startedAt = clock.GetUtcNow();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(options.Value.SweepInterval, clock, stoppingToken);
                try
                {
                    while (!IsResting() && await SweepAsync(stoppingToken) == MostPerSweep)
                    {
                    }
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogSweepFailed(exception);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private bool IsResting() => watch.HealthySince is not { } since
        // A process that has just started was not the outage; its bus has been healthy since it began.
        || (since - _startedAt > TimeSpan.FromSeconds(5) && clock.GetUtcNow() - since < options.Value.StepTimeout);

    private async Task<int> SweepAsync(CancellationToken stoppingToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        var now = clock.GetUtcNow();
        var claimedBefore = now - Claim;
        var due = await database.Reservations.Where(r => r.Deadline <= now && (r.SweptAt == null || r.SweptAt < claimedBefore || r.SweptAt < r.Deadline))
            .OrderBy(r => r.Deadline).Take(MostPerSweep).Select(r => r.CorrelationId).ToListAsync(stoppingToken);
        if (due.Count == 0)
            return 0;

        // Of two replicas that saw the same row, the second finds it claimed. Both may still send the event; the saga acts once.
        await using (var transaction = await database.Database.BeginTransactionAsync(stoppingToken))
        {
            await database.Reservations.Where(r => due.Contains(r.CorrelationId) && (r.SweptAt == null || r.SweptAt < claimedBefore || r.SweptAt < r.Deadline))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.SweptAt, now), stoppingToken);
            await transaction.CommitAsync(stoppingToken);
        }
        var claimed = await database.Reservations.Where(r => due.Contains(r.CorrelationId) && r.SweptAt == now)
            .Select(r => r.CorrelationId).ToListAsync(stoppingToken);

        var endpoint = await bus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.Reservations));
        await endpoint.SendBatch(claimed.Select(id => new ReservationDeadlineReached(id)), stoppingToken);
        return due.Count;
    }

    [LoggerMessage(EventId = 2101, Level = LogLevel.Warning, Message = "Looking for overdue reservations failed.")]
    private partial void LogSweepFailed(Exception exception);
}
