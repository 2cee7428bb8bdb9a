using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Points.Data;
using ConcertSaga.Seats.Data;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Simulation.Tests;

/// <summary>
/// Three customers who want overlapping seats of one schedule, the processes that serve them, and the messages between these. Each
/// choice lets one of them take one step, loses or repeats a message, moves the clock, or kills a process.
/// </summary>
internal sealed class Story : IStory
{
    /// <summary>Kinds of choices that a story may prefer.</summary>
    public const int Repeats = 71, Passes = 79, Pays = 92, Charges = 98;

    public const int SeatCount = 4;
    public const long Price = 100;

    private const int MaxFlows = 6;
    private const int MaxGroup = 3;

    // A message that fails more often would go to an error queue.
    private const int MaxFailures = 100;

    private readonly World _world;
    private readonly Handlers _handlers;
    private readonly Processes _processes = new();
    private readonly Dictionary<Flow, List<Envelope>> _handling = [];
    private readonly List<Envelope> _delivered = [];

    public Story(World world)
    {
        _world = world;
        var number = ++world.Stories;
        ScheduleId = number;
        Users = [.. Enumerable.Range(1, 3).Select(user => $"story {number} user {user}")];
        _handlers = new Handlers(world, Broker, Outcomes);
        Prepare();
    }

    public int ScheduleId { get; }

    public string[] Users { get; }

    /// <summary>The messages at the broker.</summary>
    public List<Envelope> Broker { get; } = [];

    /// <summary>The outcomes that were committed with their reservation, in order.</summary>
    public List<object> Outcomes { get; } = [];

    /// <summary>The reservation that each idempotency key got.</summary>
    public Dictionary<Guid, HashSet<Guid>> Booked { get; } = [];

    /// <summary>The requests so far, by idempotency key.</summary>
    public List<(Guid Key, string UserId, ReservationRequest Request)> Requests { get; } = [];

    public IReadOnlyList<string> Log => _processes.Log;

    public void Play(int kind, int index)
    {
        switch (kind)
        {
            case < 44:
                _processes.GoOn(index);
                break;
            case < 65:
                Deliver(index);
                break;
            case < 69:
                _handlers.SendCommitted(index, Tell);
                break;
            case <= Repeats when _delivered.Count > 0:
                Repeat(index);
                break;
            case < 73 when Broker.Count > 0:
                Tell($"lost: {Broker[index % Broker.Count]}");
                Broker.RemoveAt(index % Broker.Count);
                break;
            case < 75:
                _processes.Kill(index);
                break;
            case <= Passes:
                Advance(TimeSpan.FromSeconds(index % 12));
                break;
            case < 81:
                Advance(TimeSpan.FromSeconds(index % 400));
                break;
            case < 85:
                Book(index);
                break;
            case <= Pays:
                Ask(index, row => new PayReservation(row.CorrelationId, row.PaymentAttempt + 1));
                break;
            case < 94:
                Ask(index, row => new PayReservation(row.CorrelationId, index % 3));
                break;
            case < 95:
                Ask(index, row => new CancelReservation(row.CorrelationId, row.Version));
                break;
            case <= Charges:
                Charge(Users[index % Users.Length], 150);
                break;
            default:
                Ask(index, row => index % 2 == 0
                    ? new RetryReservation(row.CorrelationId, Guid.CreateVersion7(), "olga", "Try again.")
                    : new CancelReservationByOperator(row.CorrelationId, Guid.CreateVersion7(), "olga", "Cancel it."));
                break;
        }
        Finish();
    }

    public void End()
    {
        for (var round = 0; round < 60; round++)
        {
            for (var step = 0; _processes.Count > 0 || Broker.Count > 0 || _handlers.HasCommitted; step++)
            {
                Check(step < 10_000, "nothing comes to rest");
                if (!_processes.GoOn(step))
                    Deliver(0);
                _handlers.SendCommitted(0, Tell);
                Finish();
            }
            if (Rows().All(row => row.Deadline is null))
            {
                Audit.Run(_world, this);
                return;
            }
            Advance(TimeSpan.FromMinutes(3));
        }
        Check(false, $"not all end: {string.Join(", ", Rows().Select(row => $"{row.CurrentState} until {row.Deadline}"))}");
    }

    // A story that ends early leaves transactions open.
    public void Dispose() => _processes.KillAll();

    public List<Reservation> Rows()
    {
        using var database = _world.Orchestrator();
        // In the order of their insertion, which is the same whenever the story is repeated.
        return [.. database.Reservations.FromSql(
            $"""
            SELECT * FROM "Reservations" WHERE "UserId" IN ({Users[0]}, {Users[1]}, {Users[2]}) ORDER BY rowid
            """).AsNoTracking()];
    }

    public static void Check(bool isRight, string violation)
    {
        if (!isRight)
            throw new ViolationException(violation);
    }

    private void Prepare()
    {
        using var seats = _world.Seats();
        seats.Add(new Schedule
        {
            ScheduleId = ScheduleId,
            ConcertId = World.ConcertId,
            StartsAt = _world.Machine.Now.AddDays(30),
            TotalSeats = SeatCount,
            AvailableSeats = SeatCount,
            Seats = [.. Enumerable.Range(1, SeatCount).Select(number => new Seat { Number = number, Price = Price })]
        });
        seats.SaveChanges();
        foreach (var (user, index) in Users.Select((user, index) => (user, index)))
            Charge(user, 100 * index);
    }

    private void Charge(string user, long amount)
    {
        // The lock belongs to flows; a charge between their statements would not respect it.
        if (amount == 0 || _processes.AreBusy("Points"))
            return;
        using var points = _world.Points();
        var account = points.Accounts.Find(user);
        if (account is null)
            points.Add(account = new Account(user));
        points.Add(account.Add(EntryKind.Charge, amount, null, _world.Machine.Now));
        points.SaveChanges();
        Tell($"{user} charges {amount}");
    }

    private void Book(int index)
    {
        // Every third call repeats an earlier one.
        if (Requests.Count == 0 || index % 3 > 0)
        {
            int[] numbers = [1 + (index / 9 % SeatCount), 1 + (((index / 9) + 1) % SeatCount)];
            Requests.Add((Guid.CreateVersion7(), Users[index / 3 % Users.Length],
                new ReservationRequest(ScheduleId, numbers[..(1 + (index / 36 % 2))], index / 72 % 2 == 0)));
        }
        var request = index % 3 > 0 ? Requests[^1] : Requests[index / 3 % Requests.Count];
        // Every fourth call shares its transaction with another or with a copy of itself.
        (Guid Key, string UserId, ReservationRequest Request)[] calls =
            index % 4 > 0 ? [request] : [request, Requests[index / 4 % Requests.Count]];
        var work = string.Join(" and ", calls.Select(call => $"{string.Join(',', call.Request.SeatNumbers)} for {call.UserId}"));
        _processes.Start("Orchestrator", $"books {work}", async () =>
        {
            foreach (var (call, id) in calls.Zip(await _handlers.BookAsync(calls)))
            {
                if (id is { } reservation)
                    (Booked.TryGetValue(call.Key, out var known) ? known : Booked[call.Key] = []).Add(reservation);
            }
        });
    }

    private void Ask(int index, Func<Reservation, object> message)
    {
        var rows = Rows();
        if (rows.Count > 0)
            Broker.Add(new Envelope(Guid.CreateVersion7(), message(rows[index % rows.Count])));
    }

    private void Deliver(int index)
    {
        if (Broker.Count == 0 || _processes.Count >= MaxFlows)
            return;
        var group = new List<Envelope> { Broker[index % Broker.Count] };
        var process = Handlers.ProcessOf(group[0].Message);
        Broker.RemoveAt(index % Broker.Count);
        if (index % 2 == 0 && process != "Orchestrator")
            group.AddRange(Broker.Where(other => Handlers.ProcessOf(other.Message) == process).Take(MaxGroup - 1));
        foreach (var other in group.Skip(1))
            Broker.Remove(other);
        _handling.Add(_processes.Start(process, $"handles {string.Join(" and ", group)}", () => _handlers.HandleAsync(group)), group);
    }

    private void Repeat(int index)
    {
        // A recent one more often, because the saga soon ignores the others.
        var copy = _delivered[^(1 + (index % (index % 2 == 0 ? _delivered.Count : Math.Min(_delivered.Count, 5))))];
        Tell($"repeated: {copy}");
        Broker.Add(copy);
    }

    private void Advance(TimeSpan time)
    {
        _world.Machine.Clock.Advance(time);
        var due = Rows().FindAll(row => row.Deadline <= _world.Machine.Now);
        Tell($"{time.TotalSeconds} s pass, {due.Count} due");
        Broker.AddRange(due.Select(row => new Envelope(Guid.CreateVersion7(), new ReservationDeadlineReached(row.CorrelationId))));
    }

    // A message is acknowledged when its handler has ended, and delivered again if it failed or died.
    private void Finish()
    {
        foreach (var flow in _processes.TakeEnded())
        {
            if (!_handling.Remove(flow, out var group))
                continue;
            if (flow.Work.IsCompletedSuccessfully)
            {
                _delivered.AddRange(group);
                continue;
            }
            Tell($"{flow} failed: {flow.Work.Exception!.GetBaseException().Message}");
            Check(group[0].Failures < MaxFailures, $"{group[0]} always fails: {flow.Work.Exception}");
            Broker.AddRange(group.Select(envelope => envelope with { Failures = envelope.Failures + 1 }));
        }
    }

    private void Tell(string line) => _processes.Tell(line);
}
