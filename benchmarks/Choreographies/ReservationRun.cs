using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Sagas;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace ConcertSaga.Benchmarks.Choreographies;

/// <summary>One load: reservations that follow each other, with a number of them in flight.</summary>
internal sealed record ReservationLoad(int Reservations, int InFlight, bool PaymentFails)
{
    public string Name => (InFlight == 1 ? "alone" : $"{InFlight} in flight") + (PaymentFails ? ", payment fails" : "");
}

/// <summary>Result of one load of one round.</summary>
/// <param name="Load">The load.</param>
/// <param name="PerSecond">Ended reservations per second.</param>
/// <param name="P50">Milliseconds from the request to the outcome, median.</param>
/// <param name="P99">The same, 99th percentile.</param>
/// <param name="Undo">Milliseconds from the refusal until everything is compensated, median.</param>
/// <param name="AppCpu">Milliseconds of processor time of all services per reservation.</param>
/// <param name="DatabaseCpu">The same of PostgreSQL.</param>
/// <param name="BrokerCpu">The same of RabbitMQ.</param>
/// <param name="Messages">Consumed messages per reservation.</param>
/// <param name="Commits">Committed transactions per reservation, with those that only read.</param>
internal sealed record ReservationMeasurement(
    ReservationLoad Load, double PerSecond, double P50, double P99, double Undo, double AppCpu, double DatabaseCpu, double BrokerCpu,
    double Messages, double Commits)
{
    /// <summary>Milliseconds of processor time of all processes per reservation.</summary>
    public double Cpu => AppCpu + DatabaseCpu + BrokerCpu;

    public override string ToString() =>
        $"{Load.Name}: {PerSecond:0}/s, p50 {P50:0.0} ms, p99 {P99:0.0} ms, undo {Undo:0.0} ms, "
        + $"CPU ms {AppCpu:0.00} + {DatabaseCpu:0.00} + {BrokerCpu:0.00}, {Messages:0.0} messages, {Commits:0.0} commits";
}

/// <summary>One form with its services, database and virtual host, and its measurements.</summary>
internal sealed class ReservationRun : IAsyncDisposable
{
    // Connections that close need a moment to report, and the last outbox messages are deleted up to 200 ms later.
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(500);

    private readonly ServerPair _servers;
    private readonly ReservationForm _form;
    private readonly SagaSettings _settings;
    private readonly NpgsqlDataSource _source;
    private readonly SagaDatabase _database;
    private readonly IHost _host;
    private readonly ReservationWatch _watch = new();
    private readonly List<ReservationMeasurement> _measurements = [];
    private int _confirmed;
    private int _failed;

    private ReservationRun(ServerPair servers, ReservationForm form, SagaSettings settings)
    {
        _servers = servers;
        _form = form;
        _settings = settings;
        _source = NpgsqlDataSource.Create(settings.Database);
        _database = new SagaDatabase(NpgsqlDataSource.Create(settings.Database), form.Schemas);
        _host = SagaPersistence.BuildHost(settings, bus =>
        {
            form.Register(bus, _source);
            SagaTransport.Use(bus, settings, (context, transport) => form.AddEndpoints(context, transport, settings));
        });
    }

    public string Name => _form.Name;

    public List<string> Faults { get; } = [];

    public static async Task<ReservationRun> StartAsync(ServerPair servers, ReservationForm form, int concurrency)
    {
        var address = await servers.Database.CreateDatabaseAsync(form.Name);
        var broker = new Uri(await servers.Broker.CreateVirtualHostAsync(form.Name));
        var run = new ReservationRun(servers, form, new SagaSettings(form.Name, concurrency, Quorum: false,
            SagaDatabase.ConnectionOf(address, form.Name, 2 * concurrency + 20), broker, RememberSeconds: null));
        try
        {
            await form.CreateTablesAsync(run._host, run._source);
            run.Bus.ConnectConsumeObserver(run._watch);
            await run._host.StartAsync();
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    private IBus Bus => _host.Services.GetRequiredService<IBus>();

    /// <summary>One figure of a load, in the order of the rounds.</summary>
    public IEnumerable<double> Figures(ReservationLoad load, Func<ReservationMeasurement, double> figure) =>
        _measurements.Where(measurement => measurement.Load == load).Select(figure);

    /// <summary>Starts a round with empty tables.</summary>
    public Task StartRoundAsync()
    {
        (_confirmed, _failed) = (0, 0);
        return _database.EmptyAsync();
    }

    /// <summary>Runs reservations; returns the times of each.</summary>
    public async Task<ReservationTimes[]> RunAsync(ReservationLoad load, CancellationToken cancellation)
    {
        var times = new ReservationTimes[load.Reservations];
        var options = new ParallelOptions { MaxDegreeOfParallelism = load.InFlight, CancellationToken = cancellation };
        await Parallel.ForAsync(0, load.Reservations, options, async (place, token) =>
        {
            var id = Guid.CreateVersion7();
            var request = new ReservationRequested(id,
                new ReservationDetails($"user-{id:n}", 17, [7, 8], 300_000, load.PaymentFails));
            times[place] = await _watch.FollowAsync(id, () => _form.RequestAsync(Bus, _settings, request), token);
        });
        if (load.PaymentFails)
            _failed += load.Reservations;
        else
            _confirmed += load.Reservations;
        return times;
    }

    /// <summary>Measures a load. Messages and commits include those of the reservations that lead in.</summary>
    public async Task<ReservationMeasurement> MeasureAsync(ReservationLoad load, CancellationToken cancellation)
    {
        await _database.SettleAsync();
        var commits = await CommitsAsync();
        var messages = _watch.Messages;
        var leadIn = load with { Reservations = 10 + load.InFlight };
        await RunAsync(leadIn, cancellation);
        await Task.Delay(Rest, cancellation);

        var app = CpuTime.Of(Environment.ProcessId);
        var database = CpuTime.OfFamily(_servers.DatabaseProcess);
        var broker = CpuTime.Of(_servers.BrokerProcess);
        var watch = Stopwatch.StartNew();
        var times = await RunAsync(load, cancellation);
        var seconds = watch.Elapsed.TotalSeconds;
        await Task.Delay(Rest, cancellation);
        app = CpuTime.Of(Environment.ProcessId) - app;
        database = CpuTime.OfFamily(_servers.DatabaseProcess) - database;
        broker = CpuTime.Of(_servers.BrokerProcess) - broker;

        double count = load.Reservations, all = leadIn.Reservations + load.Reservations;
        messages = _watch.Messages - messages;
        commits = await CommitsAsync() - commits;
        double[] totals = [.. times.Select(time => time.Total).Order()], undos = [.. times.Select(time => time.Undo).Order()];
        var measurement = new ReservationMeasurement(load, count / seconds, Samples.Percentile(totals, 0.5),
            Samples.Percentile(totals, 0.99), Samples.Percentile(undos, 0.5), app / count, database / count, broker / count,
            messages / all, commits / all);
        _measurements.Add(measurement);
        return measurement;
    }

    /// <summary>Compares the rows of all services with the requested reservations: each ended as a whole, and nothing remains.</summary>
    public async Task CheckAsync()
    {
        const string whole = """
            SELECT count(*) FROM seats."Rows" AS seats JOIN points."Rows" AS points USING ("ReservationId")
            JOIN payments."Rows" AS payments USING ("ReservationId") WHERE (seats."State", points."State", payments."State") =
            """;
        List<(string, string, int)> totals =
        [
            ("reservations with confirmed seats, deducted points and a confirmed payment",
                $"{whole} ('Confirmed', 'Deducted', 'Confirmed')", _confirmed),
            ("reservations with released seats, refunded points and a rejected payment",
                $"{whole} ('Released', 'Refunded', 'Rejected')", _failed),
            .. _form.Schemas.Select(schema => ($"rows of {schema}", $"SELECT count(*) FROM {schema}.\"Rows\"", _confirmed + _failed)),
            .. _form.Schemas.Select(schema =>
                ($"remaining outbox rows of {schema}", $"SELECT count(*) FROM {schema}.\"OutboxMessage\"", 0))
        ];
        if (_form.Schemas.Contains(OrchestratorContext.Schema))
        {
            totals.AddRange(new[] { ("Confirmed", _confirmed), ("Failed", _failed) }.Select(end => ($"sagas that are {end.Item1}",
                $"SELECT count(*) FROM {OrchestratorContext.Schema}.\"Rows\" WHERE \"CurrentState\" = '{end.Item1}'", end.Item2)));
        }
        Faults.AddRange((await _database.FaultsOfAsync(totals)).Select(fault => $"{Name}: {fault}"));
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
        await _source.DisposeAsync();
        await _database.DisposeAsync();
    }

    private async Task<double> CommitsAsync()
    {
        _source.Clear();
        await Task.Delay(Rest);
        return await _database.ReportedCommitsAsync();
    }
}
