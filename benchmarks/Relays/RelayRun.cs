using System.Diagnostics;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DevReceiver;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using MassTransit;
using Npgsql;

namespace ConcertSaga.Benchmarks.Relays;

/// <summary>A load of the relay.</summary>
/// <param name="Name">Name in the table.</param>
/// <param name="Replicas">Number of processes that share the load.</param>
/// <param name="FromBroker">Whether the load arrives as messages; otherwise as rows inserted before.</param>
internal sealed record RelayLoad(string Name, int Replicas, bool FromBroker)
{
    public static readonly RelayLoad[] All =
        [new("backlog, 1 replica", 1, false), new("backlog, 2 replicas", 2, false), new("from the broker, 1 replica", 1, true)];
}

/// <summary>Result of one round; processor times are milliseconds per delivery, summed over all replicas.</summary>
internal sealed record RelayRound(double PerSecond, double RelayCpu, double DatabaseCpu, double BrokerCpu, double PeakMegabytes);

/// <summary>Relay processes with their own database, virtual host and receiver; all end with the run.</summary>
internal sealed class RelayRun : IAsyncDisposable
{
    private const string Project = "Services/DataPlatform", Healthy = "\"status\":\"Healthy\"";

    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);

    private readonly ServerPair _servers;
    private readonly RelayPlan _plan;
    private readonly RelayLoad _load;
    private readonly NpgsqlDataSource _database;
    private readonly Receiver _receiver;
    private readonly OrchestratorStub _orchestrator;
    private readonly IBusControl _bus;
    private readonly List<ServiceProcess> _replicas = [];
    private long _expected;

    private RelayRun(ServerPair servers, RelayPlan plan, RelayLoad load, NpgsqlDataSource database, Receiver receiver,
        OrchestratorStub orchestrator, IBusControl bus)
    {
        _servers = servers;
        _plan = plan;
        _load = load;
        _database = database;
        _receiver = receiver;
        _orchestrator = orchestrator;
        _bus = bus;
    }

    public static async Task<RelayRun> StartAsync(ServerPair servers, RelayPlan plan, RelayLoad load)
    {
        var address = await servers.Database.CreateDatabaseAsync("relay");
        var broker = await servers.Broker.CreateVirtualHostAsync("relay");
        var receiver = await Receiver.StartAsync(new ReceiverOptions
        {
            Secrets = [WebhookSecret.Create()],
            Behaviour = new Behaviour { Delay = TimeSpan.FromMilliseconds(plan.DelayMilliseconds) },
            Remembered = 2 * (plan.Deliveries + plan.Warm)
        });
        var orchestrator = await OrchestratorStub.StartAsync();
        var run = new RelayRun(servers, plan, load, NpgsqlDataSource.Create(address), receiver, orchestrator,
            Bus.Factory.CreateUsingRabbitMq(transport => transport.Host(new Uri(broker))));
        try
        {
            string[] arguments =
            [
                "--Gateway:Secret=a secret of a measurement", "--Database:Provider=PostgreSql",
                $"--ConnectionStrings:DataPlatform={address};Maximum Pool Size=40",
                $"--ConnectionStrings:RabbitMq={broker}", $"--DataPlatform:Destination={receiver.Address}",
                $"--DataPlatform:Secrets={receiver.Secrets[0]}",
                "--DataPlatform:AllowedNetworks=127.0.0.1/32", $"--DataPlatform:OrchestratorAddress={orchestrator.Address}"
            ];
            var (code, output) = await ServiceProcess.RunAsync(Project, ["migrate", .. arguments]);
            if (code != 0)
                throw new BenchmarkException($"the relay's migration failed: {output.Trim()}");
            // The product's recommended setting.
            var environment = new Dictionary<string, string?> { ["DOTNET_GCgen0size"] = "0x4000000" };
            for (var replica = 0; replica < load.Replicas; replica++)
                run._replicas.Add(await ServiceProcess.StartAsync(Project, arguments, environment));
            await run._bus.StartAsync();
            // A process can be ready before its queues are bound. The broker would confirm earlier messages and drop them.
            using var http = new HttpClient();
            foreach (var replica in run._replicas)
            {
                await Eventually.TrueAsync(
                    async () => (await http.GetStringAsync(new Uri(replica.Address, "/health/ready")))
                        .Contains(Healthy, StringComparison.Ordinal),
                    Timeout, "the relay consumes from the broker");
            }
            await run.LoadAsync(plan.Warm);
            await run.DrainAsync();
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    public async Task<RelayRound> MeasureAsync(CancellationToken cancellation)
    {
        var before = _receiver.Report().Count;
        var cpu = Cpu();
        var started = TimeSpan.Zero;
        var watch = Stopwatch.StartNew();
        // The relay handles messages while more are published, but starts with all rows.
        var loading = LoadAsync(_plan.Deliveries);
        if (!_load.FromBroker)
            await loading;
        while (_receiver.Report().Count is var now && now < _expected)
        {
            if (now == before)
                started = watch.Elapsed;
            if (watch.Elapsed > Timeout)
                throw new BenchmarkException($"{now} of {_expected} deliveries arrived within {Timeout.TotalMinutes} minutes.");
            await Task.Delay(2, cancellation);
        }
        var seconds = (watch.Elapsed - started).TotalSeconds;
        await loading;
        var count = _expected - before;
        await DrainAsync();
        var after = Cpu();
        return new RelayRound(count / seconds, (after.Relay - cpu.Relay) / count, (after.Database - cpu.Database) / count,
            (after.Broker - cpu.Broker) / count,
            _replicas.Max(replica => ResidentMemory.PeakOf(replica.ProcessId)));
    }

    /// <summary>Returns the totals that are wrong.</summary>
    public async Task<List<string>> FaultsAsync()
    {
        var report = _receiver.Report();
        (string What, long Found, long Expected)[] totals =
        [
            ("deliveries", await NumberAsync("SELECT count(*) FROM \"Deliveries\""), _expected),
            ("attempts", await NumberAsync("SELECT coalesce(sum(\"Attempts\"), 0)::bigint FROM \"Deliveries\""), _expected),
            ("events the receiver accepted", report.Count, _expected),
            ("repeated events", report.Repeats, 0),
            ("events out of order", report.OutOfOrder + report.Undecided, 0),
            ("rejected requests", report.Refused.Values.Sum(), 0)
        ];
        return [.. totals.Where(total => total.Found != total.Expected)
            .Select(total => $"{_load.Name}: {total.What}: {total.Found}, expected {total.Expected}")];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas)
        {
            await replica.StopAsync();
            await replica.DisposeAsync();
        }
        await _bus.StopAsync();
        await _receiver.DisposeAsync();
        await _orchestrator.DisposeAsync();
        await _database.DisposeAsync();
    }

    private async Task LoadAsync(int deliveries)
    {
        var reservations = Math.Max(1, deliveries * 5 / 6);
        _expected += reservations + reservations / 5;
        if (_load.FromBroker)
            await PublishAsync(reservations);
        else
            await InsertAsync(reservations);
    }

    private async Task InsertAsync(int reservations)
    {
        await using var command = _database.CreateCommand(
            """
            WITH reservations AS MATERIALIZED (SELECT gen_random_uuid() AS id, n FROM generate_series(1, $1) AS n)
            INSERT INTO "Deliveries" ("DeliveryId", "ReservationId", "EventType", "Sequence", "Payload", "Status", "Attempts",
                "AttemptsBefore", "Since", "NextAttemptAt", "CreatedAt")
            SELECT gen_random_uuid(), id, type, sequence,
                   json_build_object('type', type, 'timestamp', now(), 'data', json_build_object(
                       'reservationId', id, 'userId', 'u-' || md5(id::text), 'concertId', 1, 'scheduleId', 1,
                       'seatNumbers', json_build_array(n % 50 + 1),
                       'amount', 100000, 'confirmedAt', now(), 'schemaVersion', 1, 'sequence', sequence))::text,
                   'Pending', 0, 0, now(), now(), now()
            FROM reservations CROSS JOIN (VALUES ('reservation.confirmed', 1), ('reservation.cancelled', 2)) AS event(type, sequence)
            WHERE sequence = 1 OR n % 5 = 0
            ORDER BY n, sequence
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = reservations });
        await command.ExecuteNonQueryAsync();
    }

    private Task PublishAsync(int reservations)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = 64 };
        return Parallel.ForAsync(1, reservations + 1, options, async (number, cancellation) =>
        {
            var id = Guid.CreateVersion7();
            var at = TimeProvider.System.GetUtcNow();
            await _bus.Publish(new ReservationConfirmed(id, $"u-{id:n}", 1, 1, [number % 50 + 1], 100_000, null, at, 1), cancellation);
            if (number % 5 == 0)
                await _bus.Publish(new ReservationCancelled(id, $"u-{id:n}", 1, 1, [number % 50 + 1], 100_000, null, at, 2), cancellation);
        });
    }

    private Task DrainAsync() => Eventually.TrueAsync(
        async () => await NumberAsync("SELECT count(*) FROM \"Deliveries\" WHERE \"Status\" = 'Delivered'") == _expected, Timeout,
        "every delivery is recorded as delivered");

    private (double Relay, double Database, double Broker) Cpu() =>
        (_replicas.Sum(replica => CpuTime.Of(replica.ProcessId)), CpuTime.OfFamily(_servers.DatabaseProcess),
            CpuTime.Of(_servers.BrokerProcess));

    private async Task<long> NumberAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this program.
        await using var command = _database.CreateCommand(sql);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
