using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Consumers;

/// <summary>Sells held seats to the reservation that holds them, once; a repeat gets the first answer again.</summary>
public sealed class ConfirmSeatsConsumer(
    SeatsDbContext database, TimeProvider clock, FaultInjection faults, ILogger<ConfirmSeatsConsumer> logger) : IConsumer<ConfirmSeats>
{
    private const string NotHeld = "SEATS_NOT_HELD";

    public async Task Consume(ConsumeContext<ConfirmSeats> context)
    {
        var command = context.Message;
        SeatsChanged? change = null;
        var hold = await database.FindDecisionAsync(command.ReservationId, context.CancellationToken);
        if (hold is null)
        {
            // Without a trace of this refusal a hold that comes later would make a repeat of this command succeed.
            database.SeatHolds.Add(hold = SeatHold.Tombstone(command.ReservationId, clock.GetUtcNow()));
            await database.SaveChangesAsync(context.CancellationToken);
        }
        else if (hold is { Status: SeatHoldStatus.Held, Code: null })
        {
            if (faults.Rejects<ConfirmSeats>())
                await RefuseAsync(command, context.CancellationToken);
            else
                change = await SellAsync(hold, context.CancellationToken);
            hold = (await database.FindDecisionAsync(command.ReservationId, context.CancellationToken))!;
        }

        await context.ReplyAsync(hold.Status == SeatHoldStatus.Confirmed
            ? new SeatsConfirmed(command.ReservationId, command.Attempt)
            : new SeatConfirmationRejected(command.ReservationId, command.Attempt, NotHeld));
        await context.AnnounceAsync(change, logger);
    }

    private async Task<SeatsChanged?> SellAsync(SeatHold hold, CancellationToken cancellationToken)
    {
        var scheduleId = hold.ScheduleId!.Value;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await database.ChangeSeatMapAsync(scheduleId, freed: 0, cancellationToken);
        var decided = await StillHeld(hold.ReservationId).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Status, SeatHoldStatus.Confirmed).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()),
            cancellationToken);
        // A copy of the command or the undo was faster; the transaction ends undone.
        if (decided == 0)
            return null;
        await database.Seats.Where(seat => seat.ScheduleId == scheduleId && seat.ReservationId == hold.ReservationId)
            .ExecuteUpdateAsync(set => set.SetProperty(seat => seat.Status, SeatStatus.Sold), cancellationToken);
        var version = await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId)
            .Select(schedule => schedule.Version).SingleAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return Announcement.Of(scheduleId, version, hold.SeatNumbers, SeatStatus.Sold);
    }

    private async Task RefuseAsync(ConfirmSeats command, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await StillHeld(command.ReservationId).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Code, NotHeld).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private IQueryable<SeatHold> StillHeld(Guid reservationId) =>
        database.SeatHolds.Where(row => row.ReservationId == reservationId && row.Status == SeatHoldStatus.Held && row.Code == null);
}

public sealed class ConfirmSeatsConsumerDefinition : ConsumerDefinition<ConfirmSeatsConsumer>
{
    public ConfirmSeatsConsumerDefinition() => EndpointName = CommandQueues.ConfirmSeats;
}
