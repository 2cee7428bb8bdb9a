using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Points.Consumers;

/// <summary>
/// Deducts the price of a reservation, at most once over all attempts, and refunds it, once. A repeated command gets its first reply again.
/// The decisions of a group are made in memory, under the locks of its accounts.
/// </summary>
public sealed class PointCommands(PointsDbContext database, IOptions<PointsOptions> options, TimeProvider clock, FaultInjection faults)
    : ICommandHandler
{
    private readonly HashSet<Guid> _refunded = [];
    private readonly List<PointDeduction> _deductions = [];
    private Dictionary<string, Account> _accounts = [];
    private DateTimeOffset _now;

    public async Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, LockWait lockWait)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(CancellationToken.None);
        await ReadAsync(commands, lockWait);
        _now = clock.GetUtcNow();
        CommandOutcome[] outcomes = [.. commands.Select(command => new CommandOutcome(
            command is DeductPoints deduct ? Deduct(deduct) : Refund((RefundPoints)command)))];
        if (database.ChangeTracker.HasChanges())
        {
            await database.SaveChangesAsync(CancellationToken.None);
            await transaction.CommitAsync(CancellationToken.None);
        }
        return outcomes;
    }

    private async Task ReadAsync(IReadOnlyList<object> commands, LockWait lockWait)
    {
        var users = new HashSet<string>(StringComparer.Ordinal);
        var reservations = new HashSet<Guid>();
        foreach (var command in commands)
        {
            var (userId, reservationId) = command switch
            {
                DeductPoints deduct => (deduct.UserId, deduct.ReservationId),
                _ => (((RefundPoints)command).UserId, ((RefundPoints)command).ReservationId)
            };
            users.Add(userId);
            reservations.Add(reservationId);
        }
        _accounts = await database.LockAccountsAsync([.. users], lockWait.Start());
        lockWait.Stop();
        Guid[] ids = [.. reservations];
        _refunded.UnionWith(await database.PointRefunds.Where(refund => ids.Contains(refund.ReservationId))
            .Select(refund => refund.ReservationId).ToListAsync(CancellationToken.None));
        _deductions.AddRange(await database.PointDeductions.AsNoTracking()
            .Where(deduction => ids.Contains(deduction.ReservationId)).ToListAsync(CancellationToken.None));
    }

    private object Deduct(DeductPoints command)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(command.Amount);
        if (_refunded.Contains(command.ReservationId))
            return new PointDeductionRejected(command.ReservationId, command.Attempt, RefusalCodes.DeductionRefunded);
        var decisions = _deductions.FindAll(deduction => deduction.ReservationId == command.ReservationId);
        var decision = decisions.Find(deduction => deduction.Attempt == command.Attempt)
            ?? decisions.Find(deduction => deduction.Status == DeductionStatus.Deducted);
        if (decision is null)
        {
            // The reservation ended long ago, and the cleaner may have deleted its refusal. Every copy gets this reply without a row.
            if (ReservationIds.IsOutdated(command.ReservationId, _now, options.Value.RefusedRetention))
                return new PointDeductionRejected(command.ReservationId, command.Attempt, RefusalCodes.DeductionRefunded);
            decision = Decide(command, _accounts[command.UserId]);
            _deductions.Add(decision);
            database.PointDeductions.Add(decision);
        }
        return decision.Status == DeductionStatus.Deducted
            ? new PointsDeducted(command.ReservationId, command.Attempt, decision.BalanceAfter)
            : new PointDeductionRejected(command.ReservationId, command.Attempt, decision.Code!);
    }

    private PointDeduction Decide(DeductPoints command, Account account)
    {
        if (faults.Rejects<DeductPoints>() || account.Balance < command.Amount)
            return PointDeduction.Refuse(command, RefusalCodes.InsufficientPoints, account.Balance, _now);
        var entry = account.Add(EntryKind.Deduction, -command.Amount, command.ReservationId, _now);
        database.LedgerEntries.Add(entry);
        return PointDeduction.Deduct(command, entry.BalanceAfter, _now);
    }

    // The refund row refuses every later deduction, so it is also written if there was nothing to refund.
    private PointsRefunded Refund(RefundPoints command)
    {
        if (_refunded.Add(command.ReservationId))
        {
            var amount = _deductions.Where(deduction =>
                deduction.ReservationId == command.ReservationId && deduction.Status == DeductionStatus.Deducted).Sum(d => d.Amount);
            if (amount > 0)
                database.LedgerEntries.Add(_accounts[command.UserId].Add(EntryKind.Refund, amount, command.ReservationId, _now));
            database.PointRefunds.Add(new PointRefund
            {
                ReservationId = command.ReservationId,
                UserId = command.UserId,
                Amount = amount,
                CreatedAt = _now
            });
        }
        return new PointsRefunded(command.ReservationId, command.Attempt);
    }
}
