using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Faults;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Seats.Consumers;

/// <summary>
/// Holds, sells and releases seats, all of a reservation or none. A repeated command gets the first reply again. The decisions of a group
/// are made in memory, under the locks of its schedules.
/// </summary>
public sealed class SeatCommands(
    SeatsDbContext database, IOptions<SeatsOptions> options, TimeProvider clock, FaultInjection faults, SeatMapAnnouncer announcer)
    : ICommandHandler
{
    private readonly Dictionary<Guid, SeatHold> _holds = [];
    private readonly Dictionary<int, Schedule> _schedules = [];
    private readonly Dictionary<SeatKey, Seat> _seats = [];
    private readonly Dictionary<(string UserId, int ConcertId), int> _seatsOfUsers = [];

    private readonly Dictionary<Schedule, MapChange> _changes = [];

    private DateTimeOffset _now;
    private int _index;

    public async Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, LockWait lockWait)
    {
        await using var transaction = await database.Database.BeginTransactionAsync(CancellationToken.None);
        await ReadAsync(commands, lockWait);
        _now = clock.GetUtcNow();
        var outcomes = new CommandOutcome[commands.Count];
        for (_index = 0; _index < outcomes.Length; _index++)
            outcomes[_index] = new CommandOutcome(Decide(commands[_index]));
        foreach (var schedule in _changes.Keys)
            schedule.Version++;
        if (database.ChangeTracker.HasChanges())
        {
            // If another replica has decided about one of the reservations meanwhile, this fails. The retry finds that decision.
            await database.SaveChangesAsync(CancellationToken.None);
            await transaction.CommitAsync(CancellationToken.None);
        }
        foreach (var (schedule, change) in _changes)
            outcomes[change.LastCommand] = outcomes[change.LastCommand] with
            {
                AfterReply = context => announcer.PublishAsync(context, new SeatsChanged(schedule.ScheduleId, schedule.Version,
                    [.. change.Seats.Select(seat => new SeatChange(seat.Key, seat.Value.ToString()))]))
            };
        return outcomes;
    }

    // Decisions are read first, because they name the schedules to lock.
    private async Task ReadAsync(IReadOnlyList<object> commands, LockWait lockWait)
    {
        Guid[] ids = [.. commands.Select(ReservationOf).Distinct()];
        await foreach (var hold in database.SeatHolds.Where(hold => ids.Contains(hold.ReservationId)).AsAsyncEnumerable())
            _holds.Add(hold.ReservationId, hold);

        var keys = new HashSet<SeatKey>();
        var scheduleIds = new SortedSet<int>();
        var users = new HashSet<string>(StringComparer.Ordinal);
        foreach (var command in commands)
        {
            if (_holds.GetValueOrDefault(ReservationOf(command)) is { } hold)
            {
                if (hold.HasSeats && command is not HoldSeats)
                    Add(hold.ScheduleId!.Value, hold.SeatNumbers);
            }
            else if (command is HoldSeats request)
            {
                Add(request.ScheduleId, request.SeatNumbers);
                users.Add(request.UserId);
            }
        }
        if (scheduleIds.Count == 0)
            return;

        int[] locked = [.. scheduleIds];
        await database.LockAsync(locked, lockWait.Start());
        lockWait.Stop();
        await foreach (var schedule in database.Schedules.Include(schedule => schedule.Concert)
            .Where(schedule => locked.Contains(schedule.ScheduleId)).AsAsyncEnumerable())
            _schedules.Add(schedule.ScheduleId, schedule);
        foreach (var seat in await database.SeatsAt(keys).ToListAsync(CancellationToken.None))
            _seats.Add(new SeatKey(seat.ScheduleId, seat.Number), seat);
        if (users.Count > 0)
            await CountSeatsAsync([.. users]);

        void Add(int scheduleId, int[] numbers)
        {
            scheduleIds.Add(scheduleId);
            keys.UnionWith(numbers.Select(number => new SeatKey(scheduleId, number)));
        }
    }

    // Two holds of one user for one schedule must not both pass the limit, so this is read under its lock. Holds for two schedules cannot
    // race: a user has one unpaid reservation at a time.
    private async Task CountSeatsAsync(string[] users)
    {
        int?[] concertIds = [.. _schedules.Values.Select(schedule => (int?)schedule.ConcertId).Distinct()];
        var counts = await database.SeatHolds
            .Where(hold => users.Contains(hold.UserId) && concertIds.Contains(hold.ConcertId)
                && (hold.Status == SeatHoldStatus.Held || hold.Status == SeatHoldStatus.Confirmed))
            .GroupBy(hold => new { hold.UserId, hold.ConcertId })
            .Select(holds => new { holds.Key.UserId, holds.Key.ConcertId, Seats = holds.Sum(hold => hold.SeatCount) })
            .ToListAsync(CancellationToken.None);
        foreach (var count in counts)
            _seatsOfUsers.Add((count.UserId, count.ConcertId!.Value), count.Seats);
    }

    private object Decide(object command) => command switch
    {
        HoldSeats hold => Hold(hold),
        ConfirmSeats confirm => Confirm(confirm),
        _ => Release((ReleaseSeats)command)
    };

    private object Hold(HoldSeats command)
    {
        if (!_holds.TryGetValue(command.ReservationId, out var hold))
        {
            // The reservation ended long ago, and the cleaner may have deleted its refusal. Every copy gets this reply without a row.
            if (ReservationIds.IsOutdated(command.ReservationId, _now, options.Value.RefusedRetention))
                return new SeatHoldRejected(command.ReservationId, command.Attempt, RefusalCodes.HoldReleased, []);
            hold = Record(DecideHold(command));
        }
        return hold.Status switch
        {
            SeatHoldStatus.Refused => new SeatHoldRejected(command.ReservationId, command.Attempt, hold.Code!, hold.RefusedSeats),
            SeatHoldStatus.Released => new SeatHoldRejected(command.ReservationId, command.Attempt, RefusalCodes.HoldReleased, []),
            _ => new SeatsHeld(command.ReservationId, command.Attempt, hold.ConcertId!.Value, hold.StartsAt!.Value, hold.TotalPrice)
        };
    }

    private SeatHold DecideHold(HoldSeats command)
    {
        int[] numbers = [.. command.SeatNumbers.Distinct().Order()];
        if (faults.Rejects<HoldSeats>())
            return Refuse(RefusalCodes.SeatUnavailable, numbers);
        if (!_schedules.TryGetValue(command.ScheduleId, out var schedule))
            return Refuse(RefusalCodes.ScheduleNotFound, []);
        if (command.ConcertId is { } passConcertId && passConcertId != schedule.ConcertId)
            return Refuse(RefusalCodes.QueueTokenWrongConcert, []);
        if (schedule.CancelledAt is not null)
            return Refuse(RefusalCodes.ScheduleCancelled, []);
        if (!schedule.IsOnSaleAt(_now))
            return Refuse(RefusalCodes.ScheduleClosed, []);

        int[] unknown = [.. numbers.Where(number => !_seats.ContainsKey(new SeatKey(schedule.ScheduleId, number)))];
        if (numbers.Length == 0 || unknown.Length > 0)
            return Refuse(RefusalCodes.SeatNotFound, unknown);
        var seatsOfUser = _seatsOfUsers.GetValueOrDefault((command.UserId, schedule.ConcertId)) + numbers.Length;
        if (numbers.Length > options.Value.MaxPerReservation || seatsOfUser > options.Value.MaxPerUserAndConcert)
            return Refuse(RefusalCodes.SeatLimitReached, []);
        Seat[] seats = [.. numbers.Select(number => _seats[new SeatKey(schedule.ScheduleId, number)])];
        int[] taken = [.. seats.Where(seat => seat.Status != SeatStatus.Available).Select(seat => seat.Number)];
        if (taken.Length > 0)
            return Refuse(RefusalCodes.SeatUnavailable, taken);

        Change(schedule, seats, SeatStatus.Held, command.ReservationId);
        _seatsOfUsers[(command.UserId, schedule.ConcertId)] = seatsOfUser;
        return SeatHold.Hold(command, numbers, schedule.ConcertId, schedule.StartsAt, seats.Sum(seat => seat.Price), _now);

        SeatHold Refuse(string code, int[] refused) => SeatHold.Refuse(command, numbers, code, refused, _now);
    }

    private object Confirm(ConfirmSeats command)
    {
        // Without a hold, a tombstone refuses a later one. Otherwise a repeat of this command could succeed.
        if (!_holds.TryGetValue(command.ReservationId, out var hold))
            hold = Record(SeatHold.Tombstone(command.ReservationId, _now));
        if (hold is { Status: SeatHoldStatus.Held, Code: null })
        {
            if (faults.Rejects<ConfirmSeats>())
            {
                hold.RefuseConfirmation(RefusalCodes.SeatsNotHeld, _now);
            }
            else if (_schedules[hold.ScheduleId!.Value].CancelledAt is not null)
            {
                // A cancellation is permanent, so this refusal is, too.
                hold.RefuseConfirmation(RefusalCodes.ScheduleCancelled, _now);
            }
            else
            {
                hold.Confirm(_now);
                Change(hold, SeatStatus.Sold, hold.ReservationId);
            }
        }
        // A refused hold has the code of the hold.
        var code = hold.Status switch
        {
            SeatHoldStatus.Confirmed => null,
            SeatHoldStatus.Refused => RefusalCodes.SeatsNotHeld,
            _ => hold.Code ?? RefusalCodes.SeatsNotHeld
        };
        return code is null
            ? new SeatsConfirmed(command.ReservationId, command.Attempt)
            : new SeatConfirmationRejected(command.ReservationId, command.Attempt, code);
    }

    private SeatsReleased Release(ReleaseSeats command)
    {
        if (!_holds.TryGetValue(command.ReservationId, out var hold))
        {
            Record(SeatHold.Tombstone(command.ReservationId, _now));
        }
        else if (hold.HasSeats)
        {
            hold.Release(_now);
            Change(hold, SeatStatus.Available, null);
            _seatsOfUsers[(hold.UserId, hold.ConcertId!.Value)] =
                _seatsOfUsers.GetValueOrDefault((hold.UserId, hold.ConcertId.Value)) - hold.SeatCount;
        }
        return new SeatsReleased(command.ReservationId, command.Attempt);
    }

    private SeatHold Record(SeatHold decision)
    {
        _holds.Add(decision.ReservationId, decision);
        database.SeatHolds.Add(decision);
        return decision;
    }

    private void Change(SeatHold hold, SeatStatus status, Guid? reservationId) =>
        Change(
            _schedules[hold.ScheduleId!.Value],
            hold.SeatNumbers.Select(number => _seats[new SeatKey(hold.ScheduleId.Value, number)])
                .Where(seat => seat.ReservationId == hold.ReservationId),
            status, reservationId);

    private void Change(Schedule schedule, IEnumerable<Seat> seats, SeatStatus status, Guid? reservationId)
    {
        if (!_changes.TryGetValue(schedule, out var change))
            _changes.Add(schedule, change = new MapChange());
        change.LastCommand = _index;
        foreach (var seat in seats)
        {
            schedule.AvailableSeats += (status == SeatStatus.Available ? 1 : 0) - (seat.Status == SeatStatus.Available ? 1 : 0);
            (seat.Status, seat.ReservationId) = (status, reservationId);
            change.Seats[seat.Number] = status;
        }
    }

    private static Guid ReservationOf(object command) => command switch
    {
        HoldSeats hold => hold.ReservationId,
        ConfirmSeats confirm => confirm.ReservationId,
        _ => ((ReleaseSeats)command).ReservationId
    };

    private sealed class MapChange
    {
        /// <summary>The new status of each changed seat.</summary>
        public Dictionary<int, SeatStatus> Seats { get; } = [];

        /// <summary>The index of the last command that changed a seat. It announces the change.</summary>
        public int LastCommand { get; set; }
    }
}
