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
        var decision = await database.FindDecisionAsync(command.ReservationId, context.CancellationToken) switch
        {
            null => await RefuseUnknownAsync(command.ReservationId, context.CancellationToken),
            { Status: SeatHoldStatus.Held, Code: null } hold => await DecideAsync(hold, context.CancellationToken),
            var hold => DecisionOf(hold)
        };

        await context.ReplyAsync(decision.Code is { } code
            ? new SeatConfirmationRejected(command.ReservationId, command.Attempt, code)
            : new SeatsConfirmed(command.ReservationId, command.Attempt));
        await announcer.PublishAsync(context, decision.Change);
    }

    private async Task<Decision> RefuseUnknownAsync(Guid reservationId, CancellationToken cancellationToken)
    {
        // The tombstone refuses a later hold. Without it, a repeat of this command could succeed.
        database.SeatHolds.Add(SeatHold.Tombstone(reservationId, clock.GetUtcNow()));
        await database.SaveChangesAsync(cancellationToken);
        return new Decision(RefusalCodes.SeatsNotHeld);
    }

    // A copy of the command or the compensation may be faster. Its decision counts.
    private async Task<Decision> DecideAsync(SeatHold hold, CancellationToken cancellationToken) =>
        await (faults.Rejects<ConfirmSeats>()
            ? RefuseAsync(hold.ReservationId, RefusalCodes.SeatsNotHeld, cancellationToken)
            : SellAsync(hold, cancellationToken))
        ?? DecisionOf((await database.FindDecisionAsync(hold.ReservationId, cancellationToken))!);

    private async Task<Decision?> SellAsync(SeatHold hold, CancellationToken cancellationToken)
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
            return await RefuseAsync(hold.ReservationId, RefusalCodes.ScheduleCancelled, cancellationToken);
        }
        var updated = await StillHeld(hold.ReservationId).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Status, SeatHoldStatus.Confirmed).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()),
            cancellationToken);
        if (updated == 0)
            return null;
        await database.Seats.Where(seat => seat.ScheduleId == scheduleId && seat.ReservationId == hold.ReservationId)
            .ExecuteUpdateAsync(set => set.SetProperty(seat => seat.Status, SeatStatus.Sold), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new Decision(null, SeatMapAnnouncer.ChangeOf(scheduleId, schedule.Version, hold.SeatNumbers, SeatStatus.Sold));
    }

    private async Task<Decision?> RefuseAsync(Guid reservationId, string code, CancellationToken cancellationToken)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(cancellationToken);
        var updated = await StillHeld(reservationId).ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Code, code).SetProperty(row => row.UpdatedAt, clock.GetUtcNow()),
            cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return updated == 0 ? null : new Decision(code);
    }

    // A refused hold has the code of the hold.
    private static Decision DecisionOf(SeatHold hold) => new(hold.Status switch
    {
        SeatHoldStatus.Confirmed => null,
        SeatHoldStatus.Refused => RefusalCodes.SeatsNotHeld,
        _ => hold.Code ?? RefusalCodes.SeatsNotHeld
    });

    private IQueryable<SeatHold> StillHeld(Guid reservationId) =>
        database.SeatHolds.Where(row => row.ReservationId == reservationId && row.Status == SeatHoldStatus.Held && row.Code == null);

    // No code: the seats are sold.
    private sealed record Decision(string? Code, SeatsChanged? Change = null);
}

public sealed class ConfirmSeatsConsumerDefinition : ConsumerDefinition<ConfirmSeatsConsumer>
{
    public ConfirmSeatsConsumerDefinition() => EndpointName = CommandQueues.ConfirmSeats;
}
