using ConcertSaga.Benchmarks.Measuring;
using Npgsql;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>What one load of one round came to; processor times and commits are per saga.</summary>
internal sealed record SagaMeasurement(
    int? Rate, double PerSecond, double P50, double P99, double AppCpu, double DatabaseCpu, double BrokerCpu, double AllocatedKilobytes, double Commits)
{
    public override string ToString() =>
        $"{PerSecond:0} sagas/s, p50 {P50:0.0} ms, p99 {P99:0.0} ms, CPU ms a saga {AppCpu:0.00} + {DatabaseCpu:0.00} + {BrokerCpu:0.00}, {Commits:0.00} commits a saga";
}

/// <summary>What is held after a slice of a soak: megabytes of objects and of the process, rows, and the times of its sagas.</summary>
internal sealed record SoakSample(double LiveMegabytes, double ResidentMegabytes, double Inbox, double Outbox, double P50, double P99);

/// <summary>One variant with its process, its database and its virtual host, and what was measured of it.</summary>
internal sealed class SagaRun : IAsyncDisposable
{
    private const int LeadInSeconds = 2;

    private readonly Servers _servers;
    private readonly SagaWorker _worker;
    private readonly SagaDatabase? _database;
    private readonly List<SagaMeasurement> _measurements = [];
    private int _sagasOfRound;

    private SagaRun(Servers servers, string name, SagaWorker worker, SagaDatabase? database) =>
        (_servers, Name, _worker, _database) = (servers, name, worker, database);

    public string Name { get; }

    public List<string> Faults { get; } = [];

    public static async Task<SagaRun> StartAsync(Servers servers, string name, string kind, int concurrency, SagaPlan plan)
    {
        // The watching connection takes no part in the statistics of the database it watches, apart from its few queries.
        var address = await servers.Database.CreateDatabaseAsync($"saga_{kind}");
        var settings = new SagaSettings(kind, concurrency, plan.Quorum, new NpgsqlConnectionStringBuilder(address)
        {
            ApplicationName = $"saga-{kind}",
            MaxAutoPrepare = 100,
            AutoPrepareMinUsages = 2,
            MaxPoolSize = 4 * concurrency + 20,
            NoResetOnClose = true,
            Options = SagaDatabase.ConnectionOptions
        }.ConnectionString, new Uri(await servers.Broker.CreateVirtualHostAsync($"saga-{kind}")), plan.SoakMinutes > 0 ? SagaPlan.SoakMemorySeconds : null);
        var run = new SagaRun(servers, name, await SagaWorker.StartAsync(settings), kind == SagaVariants.Stock ? null : new SagaDatabase(NpgsqlDataSource.Create(address)));
        try
        {
            await run._worker.RunAsync(plan.Warm);
            run._database?.WasActive();
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    public Samples Figures(int? rate, Func<SagaMeasurement, double> figure) => new(_measurements.Where(one => one.Rate == rate).Select(figure));

    /// <summary>Every round begins with empty tables.</summary>
    public async Task StartRoundAsync()
    {
        _sagasOfRound = 0;
        if (_database is not null)
            await _database.EmptyAsync();
    }

    /// <summary>A burst, or without end a steady load at a rate.</summary>
    public async Task<SagaMeasurement> MeasureAsync(int? rate, SagaPlan plan)
    {
        if (_database is not null)
            await _database.SettleAsync();
        if (rate is { } already)
        {
            // A steady load is one that has been running: its first moments, after a pause or on empty tables, are not its own.
            await _worker.RunAsync(already * LeadInSeconds, already);
            _sagasOfRound += already * LeadInSeconds;
        }
        var sagas = rate is { } perSecond ? perSecond * plan.Seconds : plan.Sagas;
        // Commits are counted for bursts: the count is late, and at a light load the product's look for left messages counts too.
        var countsCommits = rate is null && _database is not null;
        var commits = countsCommits ? await _database!.CommitsAsync() : double.NaN;
        var (app, database, broker) = (CpuTime.Of(_worker.ProcessId), CpuTime.OfFamily(_servers.DatabaseProcess), CpuTime.Of(_servers.BrokerProcess));
        var result = await _worker.RunAsync(sagas, rate);
        app = CpuTime.Of(_worker.ProcessId) - app;
        database = _database is null ? double.NaN : CpuTime.OfFamily(_servers.DatabaseProcess) - database;
        broker = CpuTime.Of(_servers.BrokerProcess) - broker;
        _database?.WasActive();
        commits = countsCommits ? await _database!.CommitsAsync() - commits : double.NaN;
        _sagasOfRound += sagas;
        var measurement = new SagaMeasurement(rate, sagas / result.Seconds, result.P50, result.P99,
            app / sagas, database / sagas, broker / sagas, result.AllocatedBytes / 1024.0 / sagas, commits / sagas);
        _measurements.Add(measurement);
        return measurement;
    }

    /// <summary>A steady load, and what the process and the database still hold after it.</summary>
    public async Task<SoakSample> SoakAsync(int rate, int seconds)
    {
        var result = await _worker.RunAsync(rate * seconds, rate, collect: true);
        _sagasOfRound += rate * seconds;
        var (inbox, outbox) = await _database!.RowsAsync();
        return new SoakSample(result.LiveBytes!.Value / 1048576.0, ResidentMemory.Of(_worker.ProcessId), inbox, outbox, result.P50, result.P99);
    }

    /// <summary>Compares the totals of the round with what was started; after a soak, inbox rows are gone.</summary>
    public async Task CheckAsync(bool forgetful = false)
    {
        if (_database is not null)
            Faults.AddRange((await _database.FaultsAsync(_sagasOfRound, forgetful)).Select(fault => $"{Name}: {fault}"));
    }

    public async ValueTask DisposeAsync()
    {
        _worker.Dispose();
        if (_database is not null)
            await _database.DisposeAsync();
    }
}
