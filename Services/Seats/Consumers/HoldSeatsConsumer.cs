using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Seats.Consumers;

/// <summary>
/// Holds all requested seats for a reservation, or none. A repeated command gets the first reply again. A read without a lock refuses
/// hopeless requests, so a sold-out schedule stays cheap. One conditional update under the schedule's lock decides the rest.
/// </summary>
public sealed class HoldSeatsConsumer(
    SeatsDbContext database, IOptions<SeatsOptions> options, TimeProvider clock, FaultInjection faults, SeatMapAnnouncer announcer)
    : IConsumer<HoldSeats>
{
    public async Task Consume(ConsumeContext<HoldSeats> context)
    {
        var command = context.Message;
        SeatsChanged? change = null;
        var decision = await database.FindDecisionAsync(command.ReservationId, context.CancellationToken);
        if (decision is null && ReservationIds.IsOutdated(command.ReservationId, clock.GetUtcNow(), options.Value.RefusedRetention))
        {
            // The reservation ended long ago, and the cleaner may have deleted its refusal. Every copy gets this reply without a row.
            await context.ReplyAsync(new SeatHoldRejected(command.ReservationId, command.Attempt, RefusalCodes.HoldReleased, []));
            return;
        }
        if (decision is null)
            (decision, change) = await DecideAsync(command, context.CancellationToken);

        await context.ReplyAsync(decision.Status switch
        {
            SeatHoldStatus.Refused => new SeatHoldRejected(command.ReservationId, command.Attempt, decision.Code!, decision.RefusedSeats),
            SeatHoldStatus.Released => new SeatHoldRejected(command.ReservationId, command.Attempt, RefusalCodes.HoldReleased, []),
            _ => new SeatsHeld(
                command.ReservationId, command.Attempt, decision.ConcertId!.Value, decision.StartsAt!.Value, decision.TotalPrice)
        });
        await announcer.PublishAsync(context, change);
    }

    private async Task<(SeatHold Decision, SeatsChanged? Change)> DecideAsync(HoldSeats command, CancellationToken cancellationToken)
    {
        int[] numbers = [.. command.SeatNumbers.Distinct().Order()];
        if (faults.Rejects<HoldSeats>())
            return await RefuseAsync(RefusalCodes.SeatUnavailable, numbers);

        var sale = await ReadSaleAsync(command, cancellationToken);
        if (sale is null)
            return await RefuseAsync(RefusalCodes.ScheduleNotFound, []);
        if (command.ConcertId is { } passConcertId && passConcertId != sale.ConcertId)
            return await RefuseAsync(RefusalCodes.QueueTokenWrongConcert, []);
        if (RefusalOf(sale) is { } closed)
            return await RefuseAsync(closed, []);

        var seats = await SeatsOf(command.ScheduleId, numbers).Select(seat => new { seat.Number, seat.Price, seat.Status })
            .ToListAsync(cancellationToken);
        if (seats.Count == 0 || seats.Count < numbers.Length)
            return await RefuseAsync(RefusalCodes.SeatNotFound, [.. numbers.Except(seats.Select(seat => seat.Number))]);
        if (IsOverLimit(sale, numbers))
            return await RefuseAsync(RefusalCodes.SeatLimitReached, []);
        if (seats.Any(seat => seat.Status != SeatStatus.Available))
            return await RefuseAsync(RefusalCodes.SeatUnavailable,
                [.. seats.Where(seat => seat.Status != SeatStatus.Available).Select(seat => seat.Number).Order()]);

        return await HoldAsync(command, numbers, seats.Sum(seat => seat.Price), cancellationToken);

        Task<(SeatHold, SeatsChanged?)> RefuseAsync(string code, int[] refused) =>
            RecordRefusalAsync(command, numbers, code, refused, cancellationToken);
    }

    private async Task<(SeatHold Decision, SeatsChanged? Change)> HoldAsync(
        HoldSeats command, int[] numbers, long totalPrice, CancellationToken cancellationToken)
    {
        string code;
        int[] refused;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            await database.ChangeSeatMapAsync(command.ScheduleId, -numbers.Length, cancellationToken);
            // Checked again under the lock. No hold may follow the cancellation of the schedule, and two holds of one user for this
            // schedule must not both pass the limit. Holds for two schedules cannot race: a user has one unpaid reservation at a time.
            var sale = (await ReadSaleAsync(command, cancellationToken))!;
            if ((RefusalOf(sale) ?? (IsOverLimit(sale, numbers) ? RefusalCodes.SeatLimitReached : null)) is { } late)
            {
                code = late;
                refused = [];
            }
            else
            {
                var held = await SeatsOf(command.ScheduleId, numbers).Where(seat => seat.Status == SeatStatus.Available).ExecuteUpdateAsync(
                    set => set
                        .SetProperty(seat => seat.Status, SeatStatus.Held)
                        .SetProperty(seat => seat.ReservationId, command.ReservationId),
                    cancellationToken);
                if (held == numbers.Length)
                {
                    var decision = SeatHold.Hold(command, numbers, sale.ConcertId, sale.StartsAt, totalPrice, clock.GetUtcNow());
                    database.SeatHolds.Add(decision);
                    // The key fails this if a copy of the command or its compensation committed meanwhile. The retry finds that decision.
                    await database.SaveChangesAsync(cancellationToken);
                    await transaction.CommitAsync(cancellationToken);
                    return (decision, SeatMapAnnouncer.ChangeOf(command.ScheduleId, sale.Version, numbers, SeatStatus.Held));
                }
                code = RefusalCodes.SeatUnavailable;
                refused = await SeatsOf(command.ScheduleId, numbers).Where(seat => seat.ReservationId != command.ReservationId)
                    .Select(seat => seat.Number).Order().ToArrayAsync(cancellationToken);
            }
            await transaction.RollbackAsync(cancellationToken);
        }
        return await RecordRefusalAsync(command, numbers, code, refused, cancellationToken);
    }

    private async Task<(SeatHold Decision, SeatsChanged? Change)> RecordRefusalAsync(
        HoldSeats command, int[] numbers, string code, int[] refused, CancellationToken cancellationToken)
    {
        var decision = SeatHold.Refuse(command, numbers, code, refused, clock.GetUtcNow());
        database.SeatHolds.Add(decision);
        await database.SaveChangesAsync(cancellationToken);
        return (decision, null);
    }

    private IQueryable<Seat> SeatsOf(int scheduleId, int[] numbers) =>
        database.Seats.Where(seat => seat.ScheduleId == scheduleId && numbers.Contains(seat.Number));

    private string? RefusalOf(ScheduleSale sale) =>
        sale.IsCancelled ? RefusalCodes.ScheduleCancelled : sale.IsOpenAt(clock.GetUtcNow()) ? null : RefusalCodes.ScheduleClosed;

    private bool IsOverLimit(ScheduleSale sale, int[] numbers) =>
        numbers.Length > options.Value.MaxPerReservation || sale.SeatsOfUser + numbers.Length > options.Value.MaxPerUserAndConcert;

    private Task<ScheduleSale?> ReadSaleAsync(HoldSeats command, CancellationToken cancellationToken) =>
        database.Schedules
            .Where(schedule => schedule.ScheduleId == command.ScheduleId)
            .Select(schedule => new ScheduleSale(
                schedule.ConcertId,
                schedule.StartsAt,
                schedule.CancelledAt != null,
                schedule.Concert!.SaleOpensAt,
                schedule.Concert.SaleClosesAt,
                schedule.Version,
                database.SeatHolds
                    .Where(hold => hold.UserId == command.UserId && hold.ConcertId == schedule.ConcertId
                        && (hold.Status == SeatHoldStatus.Held || hold.Status == SeatHoldStatus.Confirmed))
                    .Sum(hold => hold.SeatCount)))
            .FirstOrDefaultAsync(cancellationToken);

    private sealed record ScheduleSale(
        int ConcertId, DateTimeOffset StartsAt, bool IsCancelled, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt, long Version,
        int SeatsOfUser)
    {
        public bool IsOpenAt(DateTimeOffset now) => now >= SaleOpensAt && now < SaleClosesAt && now < StartsAt;
    }
}

public sealed class HoldSeatsConsumerDefinition : ConsumerDefinition<HoldSeatsConsumer>
{
    public HoldSeatsConsumerDefinition() => EndpointName = CommandQueues.HoldSeats;
}
