using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue;
using ConcertSaga.Queue.Admission;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Gateways;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tokens;
using ConcertSaga.Shared.Hosting.Messaging;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Simulation.Tests;

/// <summary>
/// Customers of one waiting room with few slots, and two replicas that serve them and admit. Each choice lets a customer enter, poll, leave
/// or buy, lets a replica look for due admissions or execute its next statement, moves the clock, or kills a replica.
/// </summary>
internal sealed class RoomStory : IStory
{
    private const int Capacity = 3;
    private const int BatchSize = 2;
    private const int Customers = 7;
    private const int MaxFlows = 6;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly World _world;
    private readonly Processes _processes = new();
    private readonly Replica[] _replicas;
    private readonly int _concertId;

    public RoomStory(World world)
    {
        _world = world;
        _concertId = ++world.Stories;
        _replicas = [new Replica(world, "Queue 1"), new Replica(world, "Queue 2")];
        using var database = world.Queue();
        // The replicas look at all rooms.
        database.Entries.ExecuteDelete();
        database.Rooms.ExecuteDelete();
        database.Add(new WaitingRoom
        {
            ConcertId = _concertId,
            SaleOpensAt = Now.AddDays(-1),
            SaleClosesAt = Now.AddYears(1),
            Capacity = Capacity,
            BatchSize = BatchSize,
            Interval = Interval,
            ClaimWindow = TimeSpan.FromSeconds(10),
            PassLifetime = TimeSpan.FromSeconds(20)
        });
        database.SaveChanges();
    }

    public IReadOnlyList<string> Log => _processes.Log;

    private DateTimeOffset Now => _world.Machine.Now;

    public void Play(int kind, int index)
    {
        switch (kind)
        {
            case < 50:
                _processes.GoOn(index);
                break;
            case < 64:
                Start(index, "looks for due admissions", replica => replica.Admission.RunOnceAsync(CancellationToken.None));
                break;
            case < 74:
                Enter(index);
                break;
            case < 82:
                Ask(index, "polls", (replica, entry) => replica.ClaimAsync(entry));
                break;
            case < 86:
                Ask(index, "leaves", (replica, entry) => replica.LeaveAsync(entry));
                break;
            case < 90:
                Ask(index, "buys", (replica, entry) => replica.BuyAsync(entry));
                break;
            case < 92:
                _processes.Kill(index);
                break;
            case < 97:
                Advance(TimeSpan.FromSeconds(index % 6));
                break;
            default:
                Advance(TimeSpan.FromSeconds(index % 60));
                break;
        }
        Finish();
    }

    public void End()
    {
        for (var round = 0; round < 100; round++)
        {
            for (var step = 0; _processes.Count > 0; step++)
            {
                Story.Check(step < 10_000, "nothing comes to rest");
                _processes.GoOn(step);
                Finish();
            }
            if (Entries().TrueForAll(entry => entry.Status != QueueEntryStatus.Waiting))
                return;
            Advance(Interval);
            Start(round, "looks for due admissions", replica => replica.Admission.RunOnceAsync(CancellationToken.None));
        }
        Story.Check(false, "a customer waits for ever");
    }

    public void Dispose()
    {
        _processes.KillAll();
        foreach (var replica in _replicas)
            replica.Dispose();
    }

    private void Enter(int index)
    {
        var user = $"user {index / 2 % Customers}";
        Start(index, $"takes {user} in", replica => replica.EnterAsync(_concertId, user));
    }

    private void Ask(int index, string what, Func<Replica, QueueEntry, Task> work)
    {
        var entries = Entries().FindAll(IsLive);
        if (entries.Count > 0 && entries[index / 2 % entries.Count] is var entry)
            Start(index, $"serves {entry.UserId}, who {what}", replica => work(replica, entry));
    }

    private void Start(int index, string name, Func<Replica, Task> work)
    {
        if (_processes.Count >= MaxFlows)
            return;
        var replica = _replicas[index % _replicas.Length];
        // The orchestrator reports each second.
        replica.Booking.Record(new BookingReported(true, 0, Now));
        _processes.Start(replica.Name, name, () => work(replica));
    }

    private void Advance(TimeSpan time)
    {
        _world.Machine.Clock.Advance(time);
        _processes.Tell($"{time.TotalSeconds} s pass");
    }

    private void Finish()
    {
        var ended = _processes.TakeEnded();
        foreach (var flow in ended.Where(flow => !flow.Work.IsCompletedSuccessfully))
            _processes.Tell($"{flow} failed: {flow.Work.Exception!.GetBaseException().Message}");
        if (ended.Count > 0)
            Audit();
    }

    private List<QueueEntry> Entries()
    {
        using var database = _world.Queue();
        return [.. database.Entries.AsNoTracking().OrderBy(entry => entry.Number)];
    }

    private static bool IsLive(QueueEntry entry) =>
        entry.Status is QueueEntryStatus.Waiting or QueueEntryStatus.Offered or QueueEntryStatus.Active;

    // Holds after each commit.
    private void Audit()
    {
        var entries = Entries();
        Story.Check(entries.Select((entry, index) => entry.Number == index + 1).All(fits => fits), "the numbers have gaps");
        Story.Check(entries.Count(entry => entry.SlotUntil > Now) <= Capacity, "more slots are taken than the room has");
        var live = entries.FindAll(IsLive);
        Story.Check(live.DistinctBy(entry => entry.UserId).Count() == live.Count, "a customer is in line twice");

        var offered = entries.FindAll(entry => entry.OfferedAt is not null);
        var first = entries.Find(entry => entry.Status == QueueEntryStatus.Waiting)?.Number ?? long.MaxValue;
        Story.Check(offered.TrueForAll(entry => entry.Number < first), "a customer was admitted before the first in line");
        Story.Check(offered.Zip(offered.Skip(1)).All(pair => pair.First.OfferedAt <= pair.Second.OfferedAt), "the order was not kept");
        Story.Check(offered.CountBy(entry => entry.OfferedAt!.Value).All(tick => tick.Value <= BatchSize), "two replicas admitted at once");
        DateTimeOffset[] ticks = [.. offered.Select(entry => entry.OfferedAt!.Value).Distinct()];
        Story.Check(ticks.Zip(ticks.Skip(1)).All(pair => pair.Second - pair.First >= Interval), "admissions were too near");

        Story.Check(entries.TrueForAll(entry => entry.ClaimedAt is null || entry.OfferedAt is not null),
            "a pass was claimed without an offer");
        var revoked = entries.FindAll(entry => entry.RevokedSequence is not null).ConvertAll(entry => entry.RevokedSequence);
        Story.Check(revoked.Distinct().Count() == revoked.Count, "two passes ended with one sequence");
    }

    // One process of the queue service.
    private sealed class Replica : IDisposable
    {
        private readonly World _world;
        private readonly ServiceProvider _scopes;
        private readonly RoomDescriber _rooms;
        private readonly GatewayAnnouncer _announcer;
        private readonly QueueMetrics _metrics;
        private readonly EntryWriter _writer;

        public Replica(World world, string name)
        {
            _world = world;
            Name = name;
            var options = Options.Create(new QueueOptions());
            var clock = world.Machine.Clock;
            _scopes = new ServiceCollection().AddScoped(_ => world.Queue()).BuildServiceProvider();
            var scopes = _scopes.GetRequiredService<IServiceScopeFactory>();
            Booking = new BookingWatch(options, clock);
            _rooms = new RoomDescriber(options, Booking, new SoldOutConcerts());
            // It is never started, and drops what gateways would learn.
            _announcer = new GatewayAnnouncer(null!, null!, clock, NullLogger<GatewayAnnouncer>.Instance);
            _metrics = new QueueMetrics(Booking);
            _writer = new EntryWriter(scopes, options, _metrics, clock);
            Admission = new AdmissionLoop(
                scopes, options, _rooms, Booking, _announcer, _metrics, clock, NullLogger<AdmissionLoop>.Instance);
        }

        public string Name { get; }

        public BookingWatch Booking { get; }

        public AdmissionLoop Admission { get; }

        public async Task EnterAsync(int concertId, string userId)
        {
            await using var database = _world.Queue();
            await _writer.WriteAsync(database, [(concertId, userId)]);
        }

        public async Task ClaimAsync(QueueEntry entry)
        {
            await using var database = _world.Queue();
            await UpdaterOf(database).ClaimAsync(entry.TokenId, entry.ConcertId, entry.UserId, CancellationToken.None);
        }

        public async Task LeaveAsync(QueueEntry entry)
        {
            await using var database = _world.Queue();
            await UpdaterOf(database).LeaveAsync(entry.TokenId, entry.ConcertId, entry.UserId, CancellationToken.None);
        }

        public async Task BuyAsync(QueueEntry entry)
        {
            await using var database = _world.Queue();
            using var lockWait = new LockWait(Timeout.InfiniteTimeSpan);
            await new PurchasedPasses(database, _rooms, _announcer, _metrics, _world.Machine.Clock)
                .HandleAsync([new PurchasedPass(entry.TokenId)], lockWait);
        }

        public void Dispose()
        {
            Admission.Dispose();
            _announcer.Dispose();
            _metrics.Dispose();
            _scopes.Dispose();
            _writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        private EntryUpdater UpdaterOf(QueueDbContext database) =>
            new(database, _rooms, new PaymentTime(TimeSpan.FromMinutes(5)), _announcer, _metrics, _world.Machine.Clock);
    }
}
