using System.Linq.Expressions;
using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting.Background;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>
/// Corrects deadlines that lie farther ahead than their step allows. A replica whose clock was ahead wrote them, and without the repair
/// such a reservation would keep its seats for as long as that clock was ahead.
/// </summary>
public sealed partial class DeadlineRepair(
    IServiceScopeFactory scopes, IOptions<ReservationOptions> options, TimeProvider clock, ILogger<DeadlineRepair> logger)
    : PeriodicTask("Checking deadlines", Interval, clock, logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    public override async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var limits = options.Value;
        await RepairAsync(
            row => row.CurrentState == ReservationStates.AwaitingPayment, limits.HoldDuration, isHold: true, cancellationToken);
        await RepairAsync(row => row.CurrentState == ReservationStates.Requested, limits.StartTimeout, isHold: false, cancellationToken);
        await RepairAsync(
            row => row.CurrentState != ReservationStates.AwaitingPayment && row.CurrentState != ReservationStates.Requested,
            limits.BackOff(limits.StepAttempts), isHold: false, cancellationToken);
    }

    private async Task RepairAsync(
        Expression<Func<Reservation, bool>> inStep, TimeSpan limit, bool isHold, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrchestratorDbContext>();
        IQueryable<Reservation> FindWrong(DateTimeOffset allowed) =>
            database.Reservations.Where(inStep).Where(row => row.Deadline > allowed);

        // There is almost never anything to write, and a transaction could wait for a lock.
        if (!await FindWrong(Clock.GetUtcNow() + limit + ClockSkew.Tolerance).AnyAsync(cancellationToken))
            return;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        // Read again: a connection can take a while, and holds made meanwhile must not become shorter.
        var latest = Clock.GetUtcNow() + limit;
        var wrong = FindWrong(latest + ClockSkew.Tolerance);
        var repaired = isHold
            ? await wrong.ExecuteUpdateAsync(
                set => set.SetProperty(row => row.Deadline, latest).SetProperty(row => row.HoldExpiresAt, latest), cancellationToken)
            : await wrong.ExecuteUpdateAsync(set => set.SetProperty(row => row.Deadline, latest), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        if (repaired > 0)
            LogRepaired(repaired, latest);
    }

    [LoggerMessage(8001, LogLevel.Warning,
        "Corrected {Count} deadlines that lay farther ahead than their step allows; they are now {Latest:O}. A clock was ahead, or a "
            + "setting was lowered.")]
    private partial void LogRepaired(int count, DateTimeOffset latest);
}
