using System.Diagnostics;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;

namespace ConcertSaga.EndToEnd.Tests.Chaos;

/// <summary>What a run has done so far.</summary>
internal sealed class ChaosCounts
{
    /// <summary>The faults of each kind.</summary>
    public SortedDictionary<FaultKind, int> Faults { get; } = [];

    public int Rounds { get; set; }

    public int Requests { get; set; }

    public int Reservations { get; set; }

    /// <summary>The longest time from the end of the last fault until the system worked again.</summary>
    public TimeSpan SlowestRecovery { get; set; }
}

/// <summary>
/// Breaks a cluster under load, round after round, and audits it after each. A seed repeats the choices of all rounds; the moment at which
/// something happens is up to the machine. The servers of the cluster are its own.
/// </summary>
/// <param name="seed">The seed.</param>
/// <param name="log">Writes a line.</param>
/// <param name="only">The kinds of faults; all if there are none.</param>
internal sealed class ChaosRun(int seed, Action<string> log, IReadOnlyCollection<FaultKind>? only = null) : IAsyncDisposable
{
    /// <summary>From the end of the last fault until everything works again.</summary>
    private static readonly TimeSpan MaxRecovery = TimeSpan.FromMinutes(2);

    // The demo data has two schedules for each of so many rounds, without those of the small waiting room.
    private const int RoundsPerSystem = 25;

    private const int FirstImport = 1000;

    // Short waits, so that repairs of the background take part in each round.
    private static readonly Dictionary<string, string> Settings = new()
    {
        ["Reservation:HoldDuration"] = "00:00:08",
        ["Reservation:StepTimeout"] = "00:00:02",
        ["DataPlatform:LeaseDuration"] = "00:00:10",
        ["DataPlatform:Timeout"] = "00:00:03",
        ["DataPlatform:ReconciliationInterval"] = "00:00:05"
    };

    private readonly Queue<FaultKind> _deck = new();
    private readonly Random _dealer = new(seed);
    private Clocks? _clocks;
    private PostgreSqlServer? _database;
    private RabbitMqServer? _broker;
    private ClusterSystem? _system;
    private FaultCatalogue? _catalogue;

    public ChaosCounts Counts { get; } = new();

    /// <summary>Runs one round.</summary>
    /// <exception cref="Xunit.Sdk.XunitException">An audit has found something.</exception>
    /// <exception cref="TimeoutException">The system has not healed in time.</exception>
    public async Task RunRoundAsync()
    {
        var number = Counts.Rounds + 1;
        if (Counts.Rounds % RoundsPerSystem == 0)
            await ReplaceSystemAsync();
        var random = new Random(unchecked(seed * 7919 + number));
        var faults = Choose(random);
        var watch = Stopwatch.StartNew();
        log($"Round {number} of seed {seed}: {string.Join("; ", faults.Select(fault => fault.Name))}");

        bool Has(FaultKind kind) => faults.Any(fault => fault.Kind == kind);
        var tolerance = new Tolerance(WrongClocks: Has(FaultKind.Clock), LittleMemory: Has(FaultKind.Memory));
        using var shoppers = await ShopperCrowd.StartAsync(_system!, customers: 8, schedules: 2, random.Next(), tolerance);
        // In every third round no operator helps.
        using var operators = number % 3 == 0 ? null
            : await OperatorCrowd.StartAsync(_system!, shoppers.Schedules, operators: 2, random.Next(), tolerance);
        await using var visitors = await RoomVisitors.StartAsync(_system!, count: 8, random.Next(), tolerance);
        await using var imports = new Imports(_system!, FirstImport + 100 * number);
        imports.Start();
        await WorksAsync(shoppers, visitors, MaxRecovery, "before the faults");
        var broken = watch.Elapsed;
        await Task.WhenAll(faults.Select(fault => BreakAsync(fault, new Random(random.Next()))));
        var recovery = Stopwatch.StartNew();
        // Until here, a supervisor may have restarted processes one after the other.
        var repaired = watch.Elapsed;
        await HealAsync(shoppers, visitors, recovery);
        recovery.Stop();

        List<string> findings = await _catalogue!.FindDeadAsync();
        var shopped = await shoppers.CloseAsync();
        if (operators is not null)
            await operators.CloseAsync();
        var (wrongVisits, visited) = await visitors.CloseAsync();
        var (wrongImports, imported) = await imports.CloseAsync();
        var books = await Auditor.CheckAsync(_system!, MaxRecovery, mayWait: new HashSet<Guid>());
        shoppers.Check(books);
        var operated = operators is null ? "no operators" : await operators.CheckAsync(books);
        findings = [.. findings, .. wrongVisits, .. wrongImports, .. await InvariantChecks.RunAsync(_system!)];
        Xunit.Assert.True(findings.Count == 0, string.Join('\n', findings));

        Counts.Rounds++;
        Counts.Requests += shoppers.Requests;
        Counts.Reservations += shoppers.Accepted;
        Counts.SlowestRecovery = recovery.Elapsed > Counts.SlowestRecovery ? recovery.Elapsed : Counts.SlowestRecovery;
        foreach (var fault in faults)
            Counts.Faults[fault.Kind] = Counts.Faults.GetValueOrDefault(fault.Kind) + 1;
        log($"  broken for {(repaired - broken).TotalSeconds:0.0} s, worked {recovery.Elapsed.TotalSeconds:0.0} s later, audited after "
            + $"{watch.Elapsed.TotalSeconds:0.0} s\n  {shopped}\n  {operated}\n  {visited}; {imported}");
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        foreach (var resource in new IAsyncDisposable?[] { _system, _broker, _database }.OfType<IAsyncDisposable>())
            await resource.DisposeAsync();
        _clocks?.Dispose();
        (_system, _broker, _database, _clocks) = (null, null, null, null);
    }

    private async Task ReplaceSystemAsync()
    {
        await DisposeAsync();
        _clocks = Clocks.Find();
        IReadOnlyDictionary<string, string?> VariablesOf(string part) => _clocks?.VariablesOf(part) ?? [];
        _database = new PostgreSqlServer
        {
            Variables = VariablesOf(ClusterSystem.Database),
            IsDurable = true,
            DiskMegabytes = 1024
        };
        _broker = new RabbitMqServer { Variables = VariablesOf(ClusterSystem.Broker) };
        _system = await ClusterSystem.CreateAsync(_database, _broker, _dealer.Next(), VariablesOf);
        await _system.ApplyAsync(Settings);
        _catalogue = new FaultCatalogue(_system, _database, _broker, _clocks);
        await _catalogue.PrepareAsync();
        await RoomVisitors.PrepareAsync(_system);
    }

    // Up to three at a time. Each kind comes before one comes again.
    private List<Fault> Choose(Random random)
    {
        var faults = new List<Fault>();
        for (var count = 1 + random.Next(3); count > 0; count--)
        {
            if (_deck.Count == 0)
            {
                FaultKind[] kinds = [.. _catalogue!.Kinds.Where(kind => only is not { Count: > 0 } || only.Contains(kind))];
                _dealer.Shuffle(kinds);
                Array.ForEach(kinds, _deck.Enqueue);
            }
            var fault = _catalogue!.Make(_deck.Peek(), random);
            if (faults.Any(other => other.Parts.Intersect(fault.Parts).Any()))
                break;
            faults.Add(fault);
            _deck.Dequeue();
        }
        return faults;
    }

    private static async Task BreakAsync(Fault fault, Random random)
    {
        await Task.Delay(random.Next(2000));
        try
        {
            await fault.Begin();
            await Task.Delay(fault.Kind switch
            {
                FaultKind.Kill => random.Next(3000),
                FaultKind.RollingRestart => 0,
                _ => random.Next(500, 12_000)
            });
        }
        finally
        {
            await fault.End();
        }
    }

    private async Task HealAsync(ShopperCrowd shoppers, RoomVisitors visitors, Stopwatch recovery)
    {
        TimeSpan Left() => MaxRecovery - recovery.Elapsed is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;
        foreach (var part in _system!.Parts.Where(part => !ClusterSystem.IsServer(part)))
            await Eventually.TrueAsync(async () => await _system.HealthAsync(part) == "Healthy", Left(), $"{part} is healthy",
                Eventually.LongPause);
        await WorksAsync(shoppers, visitors, Left(), "after the faults");
    }

    private static async Task WorksAsync(ShopperCrowd shoppers, RoomVisitors visitors, TimeSpan limit, string when)
    {
        var (reserved, inside) = (shoppers.Reserved, visitors.Inside);
        try
        {
            await Eventually.TrueAsync(() => shoppers.Reserved >= reserved + 5 && visitors.Inside > inside, limit,
                $"customers get seats and get into the waiting room {when}");
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException(
                $"{exception.Message} ({shoppers.Reserved - reserved} reservations, {visitors.Inside - inside} visitors)\n"
                + string.Join('\n', shoppers.BrokenPromises.Take(5)), exception);
        }
    }
}
