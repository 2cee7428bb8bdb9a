using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Consumers;

/// <summary>
/// Makes the held or sold seats of a reservation available again. Without a hold, it records a tombstone that refuses a late one.
/// </summary>
public sealed class ReleaseSeatsConsumer(SeatsDbContext database, TimeProvider clock, SeatMapAnnouncer announcer)
    : IConsumer<ReleaseSeats>
{
    public async Task Consume(ConsumeContext<ReleaseSeats> context)
    {
        var command = context.Message;
        SeatsChanged? change = null;
        var hold = await database.FindDecisionAsync(command.ReservationId, context.CancellationToken);
        if (hold is null)
        {
            database.SeatHolds.Add(SeatHold.Tombstone(command.ReservationId, clock.GetUtcNow()));
            // If a hold commits at the same moment, this fails on the key. The retry then finds the hold and releases it.
            await database.SaveChangesAsync(context.CancellationToken);
        }
        else if (hold.Status is SeatHoldStatus.Held or SeatHoldStatus.Confirmed)
        {
            change = await ReleaseAsync(hold, context.CancellationToken);
        }

        await context.ReplyAsync(new SeatsReleased(command.ReservationId, command.Attempt));
        await announcer.PublishAsync(context, change);
    }

    private async Task<SeatsChanged?> ReleaseAsync(SeatHold hold, CancellationToken cancellationToken)
    {
        var scheduleId = hold.ScheduleId!.Value;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await database.ChangeSeatMapAsync(scheduleId, freed: hold.SeatCount, cancellationToken);
        var updated = await database.SeatHolds
            .Where(row => row.ReservationId == hold.ReservationId
                && (row.Status == SeatHoldStatus.Held || row.Status == SeatHoldStatus.Confirmed))
            .ExecuteUpdateAsync(
                set => set.SetProperty(row => row.Status, SeatHoldStatus.Released).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()),
                cancellationToken);
        // A copy of the command was faster. The transaction rolls back.
        if (updated == 0)
            return null;
        await database.Seats.Where(seat => seat.ScheduleId == scheduleId && seat.ReservationId == hold.ReservationId)
            .ExecuteUpdateAsync(
                set => set.SetProperty(seat => seat.Status, SeatStatus.Available).SetProperty(seat => seat.ReservationId, (Guid?)null),
                cancellationToken);
        var version = await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId)
            .Select(schedule => schedule.Version).SingleAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return SeatMapAnnouncer.ChangeOf(scheduleId, version, hold.SeatNumbers, SeatStatus.Available);
    }
}

public sealed class ReleaseSeatsConsumerDefinition : ConsumerDefinition<ReleaseSeatsConsumer>
{
    public ReleaseSeatsConsumerDefinition() => EndpointName = CommandQueues.ReleaseSeats;
}
