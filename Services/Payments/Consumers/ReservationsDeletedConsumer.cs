using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Payments.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Payments.Consumers;

/// <summary>Deletes the payments of reservations after their retention.</summary>
public sealed class ReservationsDeletedConsumer(PaymentsDbContext database) : IConsumer<ReservationsDeleted>
{
    public async Task Consume(ConsumeContext<ReservationsDeleted> context)
    {
        var ids = context.Message.ReservationIds;
        await using var transaction = await database.Database.BeginTransactionAsync(context.CancellationToken);
        await database.Payments.Where(payment => ids.Contains(payment.ReservationId)).ExecuteDeleteAsync(context.CancellationToken);
        await transaction.CommitAsync(context.CancellationToken);
    }
}

public sealed class ReservationsDeletedConsumerDefinition : ConsumerDefinition<ReservationsDeletedConsumer>
{
    public ReservationsDeletedConsumerDefinition() => EndpointName = EventQueues.PaymentsReservationsDeleted;
}
