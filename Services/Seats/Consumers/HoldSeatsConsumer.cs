using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Seats.Consumers;

/// <summary>
/// Gives seats to a reservation, all or none, once; a repeat gets the first answer again. A plain read refuses what cannot succeed, so that
/// a sold-out date costs its many callers no lock; what passes is decided by one conditional update under the lock of the date.
/// </summary>
public sealed class HoldSeatsConsumer(
    SeatsDbContext database, IOptions<SeatsOptions> options, TimeProvider clock, FaultInjection faults, ILogger<HoldSeatsConsumer> logger)
    : IConsumer<HoldSeats>
{
    public async Task Consume(ConsumeContext<HoldSeats> context)
    {
        var command = context.Message;
        SeatsChanged? change = null;
        var decision = await database.FindDecisionAsync(command.ReservationId, context.CancellationToken);
        if (decision is null)
            (decision, change) = await DecideAsync(command, context.CancellationToken);

        await context.ReplyAsync(decision.Status switch
        {
            SeatHoldStatus.Refused => new SeatHoldRejected(command.ReservationId, command.Attempt, decision.Code!, decision.RefusedSeats),
            SeatHoldStatus.Released => new SeatHoldRejected(command.ReservationId, command.Attempt, "HOLD_RELEASED", []),
            _ => new SeatsHeld(
                command.ReservationId, command.Attempt, decision.ConcertId!.Value, decision.StartsAt!.Value, decision.TotalPrice)
        });
        await context.AnnounceAsync(change, logger);
    }

    private async Task<(SeatHold Decision, SeatsChanged? Change)> DecideAsync(HoldSeats command, CancellationToken cancellationToken)
    {
        int[] numbers = [.. command.SeatNumbers.Distinct().Order()];
        if (faults.Rejects<HoldSeats>())
            return await RefuseAsync("SEAT_UNAVAILABLE", numbers);

        var date = await ReadDateAsync(command, cancellationToken);
        if (date is null)
            return await RefuseAsync("SCHEDULE_NOT_FOUND", []);
        if (command.ConcertId is { } passConcertId && passConcertId != date.ConcertId)
            return await RefuseAsync("QUEUE_TOKEN_WRONG_CONCERT", []);
        if (!date.IsOnSaleAt(clock.GetUtcNow()))
            return await RefuseAsync("SCHEDULE_CLOSED", []);

        var seats = await SeatsOf(command.ScheduleId, numbers).Select(seat => new { seat.Number, seat.Price, seat.Status }).ToListAsync(cancellationToken);
        if (seats.Count == 0 || seats.Count < numbers.Length)
            return await RefuseAsync("SEAT_NOT_FOUND", [.. numbers.Except(seats.Select(seat => seat.Number))]);
        if (IsOverLimit(date, numbers))
            return await RefuseAsync("SEAT_LIMIT_REACHED", []);
        if (seats.Any(seat => seat.Status != SeatStatus.Available))
            return await RefuseAsync("SEAT_UNAVAILABLE", [.. seats.Where(seat => seat.Status != SeatStatus.Available).Select(seat => seat.Number).Order()]);

        return await HoldAsync(command, numbers, seats.Sum(seat => seat.Price), cancellationToken);

        Task<(SeatHold, SeatsChanged?)> RefuseAsync(string code, int[] refused) => RecordRefusalAsync(command, numbers, code, refused, cancellationToken);
    }

    private async Task<(SeatHold Decision, SeatsChanged? Change)> HoldAsync(
        HoldSeats command, int[] numbers, long totalPrice, CancellationToken cancellationToken)
    {
        string code;
        int[] refused;
        await using (var transaction = await database.Database.BeginTransactionAsync(cancellationToken))
        {
            await database.ChangeSeatMapAsync(command.ScheduleId, -numbers.Length, cancellationToken);
            // Read again under the lock, so that two holds of one user for one date cannot both pass. Holds for two dates do not meet here;
            // that a user has only one unpaid reservation at a time keeps those apart.
            var date = (await ReadDateAsync(command, cancellationToken))!;
            if (IsOverLimit(date, numbers))
            {
                (code, refused) = ("SEAT_LIMIT_REACHED", []);
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
                    var decision = SeatHold.Hold(command, numbers, date.ConcertId, date.StartsAt, totalPrice, clock.GetUtcNow());
                    database.SeatHolds.Add(decision);
                    // Fails on the key, and undoes all of this, where a copy of the command or the undo was decided meanwhile; the retry
                    // then finds that decision.
                    await database.SaveChangesAsync(cancellationToken);
                    await transaction.CommitAsync(cancellationToken);
                    return (decision, Announcement.Of(command.ScheduleId, date.Version, numbers, SeatStatus.Held));
                }
                code = "SEAT_UNAVAILABLE";
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

    private bool IsOverLimit(DateOnSale date, int[] numbers) =>
        numbers.Length > options.Value.MaxPerReservation || date.SeatsOfUser + numbers.Length > options.Value.MaxPerUserAndConcert;

    private Task<DateOnSale?> ReadDateAsync(HoldSeats command, CancellationToken cancellationToken) =>
        database.Schedules
            .Where(schedule => schedule.ScheduleId == command.ScheduleId)
            .Select(schedule => new DateOnSale(
                schedule.ConcertId,
                schedule.StartsAt,
                schedule.Concert!.SaleOpensAt,
                schedule.Concert.SaleClosesAt,
                schedule.Version,
                database.SeatHolds
                    .Where(hold => hold.UserId == command.UserId && hold.ConcertId == schedule.ConcertId
                        && (hold.Status == SeatHoldStatus.Held || hold.Status == SeatHoldStatus.Confirmed))
                    .Sum(hold => hold.SeatCount)))
            .FirstOrDefaultAsync(cancellationToken);

    private sealed record DateOnSale(
        int ConcertId, DateTimeOffset StartsAt, DateTimeOffset SaleOpensAt, DateTimeOffset SaleClosesAt, long Version, int SeatsOfUser)
    {
        public bool IsOnSaleAt(DateTimeOffset now) => now >= SaleOpensAt && now < SaleClosesAt && now < StartsAt;
    }
}

public sealed class HoldSeatsConsumerDefinition : ConsumerDefinition<HoldSeatsConsumer>
{
    public HoldSeatsConsumerDefinition() => EndpointName = CommandQueues.HoldSeats;
}
