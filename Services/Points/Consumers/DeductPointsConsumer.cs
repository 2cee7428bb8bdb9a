using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Points.Consumers;

/// <summary>
/// Deducts the price of a reservation, at most once over all attempts. A repeated attempt gets its first reply again. The decision is made
/// under the account's lock, so no copy, other attempt or refund can interfere.
/// </summary>
public sealed class DeductPointsConsumer(
    PointsDbContext database, IOptions<PointsOptions> options, TimeProvider clock, FaultInjection faults) : IConsumer<DeductPoints>
{
    public async Task Consume(ConsumeContext<DeductPoints> context)
    {
        var command = context.Message;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(command.Amount);
        await context.ReplyAsync(await DecideAsync(command, context.CancellationToken));
    }

    private async Task<object> DecideAsync(DeductPoints command, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var account = await database.LockAccountAsync(command.UserId, cancellationToken);
        if (await database.PointRefunds.AnyAsync(refund => refund.ReservationId == command.ReservationId, cancellationToken))
            return new PointDeductionRejected(command.ReservationId, command.Attempt, RefusalCodes.DeductionRefunded);

        var decisions = await database.PointDeductions.AsNoTracking()
            .Where(deduction => deduction.ReservationId == command.ReservationId).ToListAsync(cancellationToken);
        var decision = decisions.Find(deduction => deduction.Attempt == command.Attempt)
            ?? decisions.Find(deduction => deduction.Status == DeductionStatus.Deducted);
        // The reservation ended long ago, and the cleaner may have deleted its refusal. Every copy gets this reply without a row.
        if (decision is null && ReservationIds.IsOutdated(command.ReservationId, clock.GetUtcNow(), options.Value.RefusedRetention))
            return new PointDeductionRejected(command.ReservationId, command.Attempt, RefusalCodes.DeductionRefunded);
        if (decision is null)
        {
            decision = Decide(command, account);
            database.PointDeductions.Add(decision);
            await database.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        return decision.Status == DeductionStatus.Deducted
            ? new PointsDeducted(command.ReservationId, command.Attempt, decision.BalanceAfter)
            : new PointDeductionRejected(command.ReservationId, command.Attempt, decision.Code!);
    }

    private PointDeduction Decide(DeductPoints command, Account account)
    {
        var now = clock.GetUtcNow();
        if (faults.Rejects<DeductPoints>() || account.Balance < command.Amount)
            return PointDeduction.Refuse(command, RefusalCodes.InsufficientPoints, account.Balance, now);
        var entry = account.Add(EntryKind.Deduction, -command.Amount, command.ReservationId, now);
        database.LedgerEntries.Add(entry);
        return PointDeduction.Deduct(command, entry.BalanceAfter, now);
    }
}

public sealed class DeductPointsConsumerDefinition : ConsumerDefinition<DeductPointsConsumer>
{
    public DeductPointsConsumerDefinition() => EndpointName = CommandQueues.DeductPoints;
}
