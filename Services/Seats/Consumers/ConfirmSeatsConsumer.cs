using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Seats.Consumers;

/// <summary>
/// Sells held seats to the reservation that holds them, unless their schedule is cancelled. A repeated command gets the first reply again.
/// </summary>
public sealed class ConfirmSeatsConsumer(
    SeatsDbContext database, TimeProvider clock, FaultInjection faults, SeatMapAnnouncer announcer) : IConsumer<ConfirmSeats>
{
    public async Task Consume(ConsumeContext<ConfirmSeats> context)
    {
        var command = context.Message;
        SeatsChanged? change = null;
        var hold = await database.FindDecisionAsync(command.ReservationId, context.CancellationToken);
        if (hold is null)
        {
            // The tombstone refuses a later hold. Without it, a repeat of this command could succeed.
            hold = SeatHold.Tombstone(command.ReservationId, clock.GetUtcNow());
            database.SeatHolds.Add(hold);
            await database.SaveChangesAsync(context.CancellationToken);
        }
        else if (hold is { Status: SeatHoldStatus.Held, Code: null })
        {
            if (faults.Rejects<ConfirmSeats>())
                await RefuseAsync(hold.ReservationId, RefusalCodes.SeatsNotHeld, context.CancellationToken);
            else
                change = await SellAsync(hold, context.CancellationToken);
            hold = (await database.FindDecisionAsync(command.ReservationId, context.CancellationToken))!;
        }

        await context.ReplyAsync(hold.Status == SeatHoldStatus.Confirmed
            ? new SeatsConfirmed(command.ReservationId, command.Attempt)
            : new SeatConfirmationRejected(command.ReservationId, command.Attempt, CodeOf(hold)));
        await announcer.PublishAsync(context, change);
    }

    private async Task<SeatsChanged?> SellAsync(SeatHold hold, CancellationToken cancellationToken)
    {
        var scheduleId = hold.ScheduleId!.Value;
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await database.ChangeSeatMapAsync(scheduleId, freed: 0, cancellationToken);
        // Read under the lock: no sale may follow the cancellation of the schedule.
        var schedule = await database.Schedules.Where(row => row.ScheduleId == scheduleId)
            .Select(row => new { row.Version, row.CancelledAt }).SingleAsync(cancellationToken);
        if (schedule.CancelledAt is not null)
        {
            // The seat map does not change, and keeps its version. A cancellation is permanent, so the refusal may follow it.
            await transaction.RollbackAsync(cancellationToken);
            await RefuseAsync(hold.ReservationId, RefusalCodes.ScheduleCancelled, cancellationToken);
            return null;
        }
        var updated = await StillHeld(hold.ReservationId).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Status, SeatHoldStatus.Confirmed).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()),
            cancellationToken);
        // A copy of the command or the compensation was faster. The transaction rolls back.
        if (updated == 0)
            return null;
        await database.Seats.Where(seat => seat.ScheduleId == scheduleId && seat.ReservationId == hold.ReservationId)
            .ExecuteUpdateAsync(set => set.SetProperty(seat => seat.Status, SeatStatus.Sold), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return SeatMapAnnouncer.ChangeOf(scheduleId, schedule.Version, hold.SeatNumbers, SeatStatus.Sold);
    }

    private async Task RefuseAsync(Guid reservationId, string code, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        await StillHeld(reservationId).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Code, code).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()),
            cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    // A refused hold has the code of the hold.
    private static string CodeOf(SeatHold hold) =>
        hold.Status == SeatHoldStatus.Refused ? RefusalCodes.SeatsNotHeld : hold.Code ?? RefusalCodes.SeatsNotHeld;

    private IQueryable<SeatHold> StillHeld(Guid reservationId) =>
        database.SeatHolds.Where(row => row.ReservationId == reservationId && row.Status == SeatHoldStatus.Held && row.Code == null);
}

public sealed class ConfirmSeatsConsumerDefinition : ConsumerDefinition<ConfirmSeatsConsumer>
{
    public ConfirmSeatsConsumerDefinition() => EndpointName = CommandQueues.ConfirmSeats;
}
