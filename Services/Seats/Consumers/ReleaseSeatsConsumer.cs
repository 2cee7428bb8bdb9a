using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Consumers;

/// <summary>Makes the seats of a reservation free again, sold ones too; where none were ever held it leaves a tombstone.</summary>
public sealed class ReleaseSeatsConsumer(SeatsDbContext database, TimeProvider clock, ILogger<ReleaseSeatsConsumer> logger) : IConsumer<ReleaseSeats>
{
    public async Task Consume(ConsumeContext<ReleaseSeats> context)
    {
        var command = context.Message;
        SeatsChanged? change = null;
        var hold = await database.FindDecisionAsync(command.ReservationId, context.CancellationToken);
        if (hold is null)
        {
            database.SeatHolds.Add(SeatHold.Tombstone(command.ReservationId, clock.GetUtcNow()));
            // A hold that is being written at this moment makes this wait for it and then fail on the key; the retry finds and undoes it.
            await database.SaveChangesAsync(context.CancellationToken);
        }
        else if (hold.Status is SeatHoldStatus.Held or SeatHoldStatus.Confirmed)
        {
            change = await ReleaseAsync(hold, context.CancellationToken);
        }

        await context.ReplyAsync(new SeatsReleased(command.ReservationId, command.Attempt));
        await context.AnnounceAsync(change, logger);
    }

    private async Task<SeatsChanged?> ReleaseAsync(SeatHold hold, CancellationToken cancellationToken)
    {
        var scheduleId = hold.ScheduleId!.Value;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await database.ChangeSeatMapAsync(scheduleId, freed: hold.SeatCount, cancellationToken);
        var decided = await database.SeatHolds
            .Where(row => row.ReservationId == hold.ReservationId && (row.Status == SeatHoldStatus.Held || row.Status == SeatHoldStatus.Confirmed))
            .ExecuteUpdateAsync(
                set => set.SetProperty(row => row.Status, SeatHoldStatus.Released).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()),
                cancellationToken);
        // A copy of the command was faster; the transaction ends undone.
        if (decided == 0)
            return null;
        await database.Seats.Where(seat => seat.ScheduleId == scheduleId && seat.ReservationId == hold.ReservationId)
            .ExecuteUpdateAsync(
                set => set.SetProperty(seat => seat.Status, SeatStatus.Available).SetProperty(seat => seat.ReservationId, (Guid?)null),
                cancellationToken);
        var version = await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId)
            .Select(schedule => schedule.Version).SingleAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return Announcement.Of(scheduleId, version, hold.SeatNumbers, SeatStatus.Available);
    }
}

public sealed class ReleaseSeatsConsumerDefinition : ConsumerDefinition<ReleaseSeatsConsumer>
{
    public ReleaseSeatsConsumerDefinition() => EndpointName = CommandQueues.ReleaseSeats;
}
