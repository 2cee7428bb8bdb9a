using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Consumers;

/// <summary>
/// Refunds the points of a reservation once. The refund row refuses every later deduction, so it is also written if there was nothing to
/// refund.
/// </summary>
public sealed class RefundPointsConsumer(PointsDbContext database, TimeProvider clock) : IConsumer<RefundPoints>
{
    public async Task Consume(ConsumeContext<RefundPoints> context)
    {
        var command = context.Message;
        await RefundAsync(command, context.CancellationToken);
        await context.ReplyAsync(new PointsRefunded(command.ReservationId, command.Attempt));
    }

    private async Task RefundAsync(RefundPoints command, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var account = await database.LockAccountAsync(command.UserId, cancellationToken);
        if (await database.PointRefunds.AnyAsync(refund => refund.ReservationId == command.ReservationId, cancellationToken))
            return;

        var now = clock.GetUtcNow();
        var amount = await database.PointDeductions
            .Where(deduction => deduction.ReservationId == command.ReservationId && deduction.Status == DeductionStatus.Deducted)
            .SumAsync(deduction => deduction.Amount, cancellationToken);
        if (amount > 0)
            database.LedgerEntries.Add(account.Add(EntryKind.Refund, amount, command.ReservationId, now));
        database.PointRefunds.Add(new PointRefund
        {
            ReservationId = command.ReservationId,
            UserId = command.UserId,
            Amount = amount,
            CreatedAt = now
        });
        await database.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}

public sealed class RefundPointsConsumerDefinition : ConsumerDefinition<RefundPointsConsumer>
{
    public RefundPointsConsumerDefinition() => EndpointName = CommandQueues.RefundPoints;
}
