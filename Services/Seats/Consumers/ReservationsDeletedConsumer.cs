using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Seats.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Consumers;

/// <summary>Deletes the holds of reservations after their retention. Their seats stay sold.</summary>
public sealed class ReservationsDeletedConsumer(SeatsDbContext database) : IConsumer<ReservationsDeleted>
{
    public async Task Consume(ConsumeContext<ReservationsDeleted> context)
    {
        var ids = context.Message.ReservationIds;
        await using var transaction = await database.Database.BeginTransactionAsync(context.CancellationToken);
        // A held row would mean that its seats are in a sale. It stays, and so does the proof of what went wrong.
        await database.SeatHolds.Where(hold => ids.Contains(hold.ReservationId) && hold.Status != SeatHoldStatus.Held)
            .ExecuteDeleteAsync(context.CancellationToken);
        await transaction.CommitAsync(context.CancellationToken);
    }
}

public sealed class ReservationsDeletedConsumerDefinition : ConsumerDefinition<ReservationsDeletedConsumer>
{
    public ReservationsDeletedConsumerDefinition() => EndpointName = EventQueues.SeatsReservationsDeleted;
}
