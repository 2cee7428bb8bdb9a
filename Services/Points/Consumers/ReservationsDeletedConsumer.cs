using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Points.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Points.Consumers;

/// <summary>Deletes the decisions about reservations after their retention. The ledger stays.</summary>
public sealed class ReservationsDeletedConsumer(PointsDbContext database) : IConsumer<ReservationsDeleted>
{
    public async Task Consume(ConsumeContext<ReservationsDeleted> context)
    {
        var ids = context.Message.ReservationIds;
        await using var transaction = await database.Database.BeginTransactionAsync(context.CancellationToken);
        await database.PointDeductions.Where(deduction => ids.Contains(deduction.ReservationId))
            .ExecuteDeleteAsync(context.CancellationToken);
        await database.PointRefunds.Where(refund => ids.Contains(refund.ReservationId)).ExecuteDeleteAsync(context.CancellationToken);
        await transaction.CommitAsync(context.CancellationToken);
    }
}

public sealed class ReservationsDeletedConsumerDefinition : ConsumerDefinition<ReservationsDeletedConsumer>
{
    public ReservationsDeletedConsumerDefinition() => EndpointName = EventQueues.PointsReservationsDeleted;
}
