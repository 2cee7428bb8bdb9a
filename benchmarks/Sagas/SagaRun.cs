using ConcertSaga.Benchmarks.Measuring;
using Npgsql;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>Result of one load of one round; processor times and commits are per saga.</summary>
internal sealed record SagaMeasurement(
    int? Rate, double PerSecond, double P50, double P99, double AppCpu, double DatabaseCpu, double BrokerCpu, double AllocatedKilobytes,
        double Commits)
{
    public override string ToString() =>
        $"{PerSecond:0} sagas/s, p50 {P50:0.0} ms, p99 {P99:0.0} ms, "
        + $"CPU ms per saga {AppCpu:0.00} + {DatabaseCpu:0.00} + {BrokerCpu:0.00}, {Commits:0.00} commits per saga";
}

/// <summary>State after a slice of a soak: megabytes of objects and of the process, rows, and the latencies of its sagas.</summary>
internal sealed record SoakSample(double LiveMegabytes, double ResidentMegabytes, double Inbox, double Outbox, double P50, double P99);

/// <summary>One variant with its process, database and virtual host, and its measurements.</summary>
internal sealed class SagaRun : IAsyncDisposable
{
    private const int LeadInSeconds = 2;

    private readonly ServerPair _servers;
    private readonly SagaWorker _worker;
    private readonly SagaDatabase? _database;
    private readonly List<SagaMeasurement> _measurements = [];
    private int _sagasOfRound;

    private SagaRun(ServerPair servers, string name, SagaWorker worker, SagaDatabase? database)
    {
        _servers = servers;
        Name = name;
        _worker = worker;
        _database = database;
    }

    public string Name { get; }

    public List<string> Faults { get; } = [];

    public static async Task<SagaRun> StartAsync(ServerPair servers, string name, string kind, int concurrency, SagaPlan plan)
    {
        var address = await servers.Database.CreateDatabaseAsync($"saga_{kind}");
        var broker = new Uri(await servers.Broker.CreateVirtualHostAsync($"saga-{kind}"));
        var isDocumented = kind == SagaVariantFactory.Documented;
        // The documented program has the driver's default. Three variants at a time would otherwise need more than the server allows.
        var connection = SagaDatabase.ConnectionOf(address, $"saga-{kind}", isDocumented ? 100 : 4 * concurrency + 20);
        var remember = plan.SoakMinutes > 0 ? SagaPlan.SoakMemorySeconds : (int?)null;
        var settings = new SagaSettings(kind, concurrency, plan.Quorum, connection, broker, remember);
        var database = kind == SagaVariantFactory.Stock ? null
            : new SagaDatabase(NpgsqlDataSource.Create(address), SagaDatabase.Schemas, hasAccounts: isDocumented);
        var run = new SagaRun(servers, name, await SagaWorker.StartAsync(settings), database);
        try
        {
            await run.StartRoundAsync();
            await run._worker.RunAsync(plan.Warm);
            run._database?.MarkActive();
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    public Samples Figures(int? rate, Func<SagaMeasurement, double> figure) => new(Values(rate, figure));

    /// <summary>Sagas per second of a burst, divided by those of another variant in the same round.</summary>
    public Samples SpeedBeside(SagaRun other) => new(Values(null, measurement => measurement.PerSecond)
        .Zip(other.Values(null, measurement => measurement.PerSecond), (own, others) => own / others));

    /// <summary>Starts a round with empty tables.</summary>
    public async Task StartRoundAsync()
    {
        _sagasOfRound = 0;
        if (_database is not null)
            await _database.EmptyAsync();
    }

    /// <summary>Measures a burst, or a steady load if there is a rate.</summary>
    public async Task<SagaMeasurement> MeasureAsync(int? rate, SagaPlan plan)
    {
        if (_database is not null)
            await _database.SettleAsync();
        if (rate is { } leadIn)
        {
            // The first seconds after a pause or on empty tables are not typical of a steady load.
            await _worker.RunAsync(leadIn * LeadInSeconds, leadIn);
            _sagasOfRound += leadIn * LeadInSeconds;
        }
        var sagas = rate is { } perSecond ? perSecond * plan.Seconds : plan.Sagas;
        // Only for bursts: the count is late, and at a light load it includes the product's polls for remaining messages.
        var countsCommits = rate is null && _database is not null;
        var commits = countsCommits ? await _database!.CommitsAsync() : double.NaN;
        var app = CpuTime.Of(_worker.ProcessId);
        var database = CpuTime.OfFamily(_servers.DatabaseProcess);
        var broker = CpuTime.Of(_servers.BrokerProcess);
        var result = await _worker.RunAsync(sagas, rate);
        app = CpuTime.Of(_worker.ProcessId) - app;
        database = _database is null ? double.NaN : CpuTime.OfFamily(_servers.DatabaseProcess) - database;
        broker = CpuTime.Of(_servers.BrokerProcess) - broker;
        _database?.MarkActive();
        commits = countsCommits ? await _database!.CommitsAsync() - commits : double.NaN;
        _sagasOfRound += sagas;
        var measurement = new SagaMeasurement(rate, sagas / result.Seconds, result.P50, result.P99,
            app / sagas, database / sagas, broker / sagas, result.AllocatedBytes / 1024.0 / sagas, commits / sagas);
        _measurements.Add(measurement);
        return measurement;
    }

    /// <summary>Runs a steady load, then measures the process and the database.</summary>
    public async Task<SoakSample> SoakAsync(int rate, int seconds)
    {
        var result = await _worker.RunAsync(rate * seconds, rate, collect: true);
        _sagasOfRound += rate * seconds;
        var (inbox, outbox) = await _database!.RowsAsync();
        return new SoakSample(result.LiveBytes!.Value / 1048576.0, ResidentMemory.Of(_worker.ProcessId), inbox, outbox, result.P50,
            result.P99);
    }

    /// <summary>Compares the totals of the round with the started sagas. After a soak, old inbox rows are deleted already.</summary>
    public async Task CheckAsync(bool ignoreInbox = false)
    {
        if (_database is not null)
            Faults.AddRange((await _database.FaultsAsync(_sagasOfRound, ignoreInbox)).Select(fault => $"{Name}: {fault}"));
    }

    private IEnumerable<double> Values(int? rate, Func<SagaMeasurement, double> figure) =>
        _measurements.Where(measurement => measurement.Rate == rate).Select(figure);

    public async ValueTask DisposeAsync()
    {
        _worker.Dispose();
        if (_database is not null)
            await _database.DisposeAsync();
    }
}
