using System.Collections.Concurrent;
using System.Data.Common;
using System.Text.Json;
using ConcertSaga.DataPlatformStub;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Npgsql;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Each process by itself, with databases and a virtual host of their own on the shared servers.</summary>
public sealed class ClusterSystem : ISystem
{
    /// <summary>The broker, as a part.</summary>
    public const string Broker = "RabbitMQ";

    /// <summary>The database server, as a part.</summary>
    public const string Database = "PostgreSQL";

    /// <summary>The process that owns the reservations.</summary>
    public const string Orchestrator = "Orchestrator";

    /// <summary>The public door.</summary>
    public const string Gateway = "Gateway";

    /// <summary>The waiting room.</summary>
    public const string Queue = "Services/Queue";

    /// <summary>The relay to the data platform.</summary>
    public const string Relay = "Services/DataPlatform";

    private static readonly string[] Owners = [Orchestrator, Queue, "Services/Seats", "Services/Points", "Services/Payments", Relay];

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };

    private readonly PostgreSqlServer _database;
    private readonly RabbitMqServer _broker;
    private readonly Dictionary<string, string> _databases = [];
    private readonly Dictionary<string, Uri> _addresses = [];
    private readonly Dictionary<string, string[]> _arguments = [];
    private readonly ConcurrentDictionary<string, ServiceProcess> _processes = [];
    private readonly string _secret = $"secret-{Guid.CreateVersion7():n}";
    private readonly string _demoKey = Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));
    private readonly FaultFile _faults = new();
    private string _brokerAddress = "";
    private Announcements? _announcements;
    private Receiver? _platform;

    private ClusterSystem(PostgreSqlServer database, RabbitMqServer broker) => (_database, _broker) = (database, broker);

    public Uri Address => AddressOf(Gateway);

    public IReadOnlyList<string> Parts { get; } = [.. Owners, Gateway, Broker, Database];

    public SeatPool Seats { get; } = new();

    public bool PlatformOutlivesKills => true;

    /// <summary>The data platform, which is no part of the product: it stays in this process.</summary>
    public Receiver Platform => _platform!;

    /// <summary>Creates databases, schemas and a virtual host; the processes start with the first settings.</summary>
    public static async Task<ClusterSystem> CreateAsync(PostgreSqlServer database, RabbitMqServer broker)
    {
        var system = new ClusterSystem(database, broker);
        system._platform = await Receiver.StartAsync(new ReceiverOptions { Secrets = [WebhookSecret.Create()] });
        system._brokerAddress = await broker.CreateVirtualHostAsync("e2e");
        foreach (var part in Owners)
            // Six processes share the connections of one small server.
            system._databases[part] = await database.CreateDatabaseAsync(NameOf(part)) + ";Maximum Pool Size=60";
        foreach (var part in Processes)
            system._addresses[part] = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}");
        var migrations = await Task.WhenAll(Owners.Select(part => ServiceProcess.RunAsync(part, ["migrate", .. system.BaseArguments(part)])));
        foreach (var (code, output) in migrations)
            Xunit.Assert.True(code == 0, output);
        system._announcements = await Announcements.ListenAsync(system._brokerAddress);
        return system;
    }

    /// <summary>Where a process listens.</summary>
    public Uri AddressOf(string part) => _addresses[part];

    public async Task UseAsync(IReadOnlyDictionary<string, string> settings)
    {
        await Task.WhenAll(Processes.Select(async part =>
        {
            string[] arguments = [.. BaseArguments(part), .. Settings.Arguments(For(part, settings), _faults)];
            if (_processes.TryGetValue(part, out var running))
            {
                if (!running.HasExited && _arguments[part].SequenceEqual(arguments))
                    return;
                if (!running.HasExited)
                    Settings.CheckExit(part, await running.StopAsync(), running.Output);
                Settings.KeepLog(part, running.Output);
                await running.DisposeAsync();
            }
            lock (_arguments)
                _arguments[part] = arguments;
            _processes[part] = await ServiceProcess.StartAsync(part, arguments, address: AddressOf(part), limit: TimeSpan.FromMinutes(2));
        }));
        // A command sent before its queue was ever declared would wait for its second attempt.
        foreach (var part in Processes)
            await Eventually.TrueAsync(async () => await HealthAsync(part) == "Healthy", TimeSpan.FromMinutes(1), $"{part} is healthy");
    }

    public Task SetFaultsAsync(string faults) => _faults.WriteAsync(faults, [.. Owners.Where(part => part != Orchestrator).Select(part => _processes[part])]);

    /// <summary>What <c>/health/ready</c> of a process says.</summary>
    public async Task<string?> HealthAsync(string part)
    {
        using var answer = JsonDocument.Parse(await Http.GetStringAsync(new Uri(AddressOf(part), "/health/ready")));
        return answer.RootElement.GetProperty("status").GetString();
    }

    public Task KillAsync(string part) => part switch
    {
        Broker => _broker.KillAsync(),
        Database => _database.KillAsync(),
        _ => _processes[part].KillAsync()
    };

    public async Task<int> StopAsync(string part)
    {
        if (part is not (Broker or Database))
            return await _processes[part].StopAsync();
        await (part == Broker ? _broker.StopAsync() : _database.StopAsync());
        return 0;
    }

    public Task StartAsync(string part) => part switch
    {
        Broker => _broker.StartAsync(),
        Database => _database.StartAsync(),
        _ => _processes[part].StartAgainAsync(TimeSpan.FromMinutes(2))
    };

    public async Task<DbConnection> OpenAsync(string owner)
    {
        var connection = new NpgsqlConnection(_databases[Owners.Single(part => NameOf(part) == owner)] + ";Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    public async Task<IReadOnlySet<(Guid Reservation, string Outcome)>?> AnnouncedAsync() => await _announcements!.ReadAsync();

    public Task<ReceivedReport> ToldAsync() => Task.FromResult(Platform.Report(last: 1000));

    public Task<IReadOnlyList<ReceivedEvent>> ToldOfAsync(Guid reservationId) => Task.FromResult(Platform.EventsOf(reservationId));

    public async ValueTask DisposeAsync()
    {
        foreach (var (part, process) in _processes)
        {
            Settings.KeepLog(part, process.Output);
            await process.DisposeAsync();
        }
        await Platform.DisposeAsync();
        _faults.Dispose();
    }

    private static IEnumerable<string> Processes => [.. Owners, Gateway];

    private static string NameOf(string part) => Path.GetFileName(part);

    private string[] BaseArguments(string part) => part == Gateway
        ?
        [
            $"--Gateway:Secret={_secret}", "--Authentication:Demo:Enabled=true", $"--Authentication:Demo:Key={_demoKey}",
            $"--ConnectionStrings:RabbitMq={_brokerAddress}",
            $"--ReverseProxy:Clusters:queue:Destinations:one:Address={AddressOf(Queue)}",
            $"--ReverseProxy:Clusters:orchestrator:Destinations:one:Address={AddressOf(Orchestrator)}",
            $"--ReverseProxy:Clusters:seats:Destinations:one:Address={AddressOf("Services/Seats")}",
            $"--ReverseProxy:Clusters:points:Destinations:one:Address={AddressOf("Services/Points")}",
            $"--ReverseProxy:Clusters:dataplatform:Destinations:one:Address={AddressOf(Relay)}"
        ]
        :
        [
            $"--Gateway:Secret={_secret}", "--Database:Provider=PostgreSql", $"--ConnectionStrings:{NameOf(part)}={_databases[part]}",
            $"--ConnectionStrings:RabbitMq={_brokerAddress}", .. part switch
            {
                "Services/Seats" => new[] { "--Seats:SeedDemoData=true" },
                Queue => [$"--Queue:SeatsAddress={AddressOf("Services/Seats")}"],
                Relay =>
                [
                    $"--DataPlatform:Destination={Platform.Address}", $"--DataPlatform:Secrets={Platform.Secrets[0]}", "--DataPlatform:AllowedNetworks=127.0.0.1/32",
                    $"--DataPlatform:OrchestratorAddress={AddressOf(Orchestrator)}"
                ],
                _ => []
            }
        ];

    // Only whom a setting concerns is started again for it.
    private static Dictionary<string, string> For(string part, IReadOnlyDictionary<string, string> settings) =>
        settings.Where(setting => setting.Key.Split(':') switch
        {
            ["Queue", ..] => part == Queue,
            ["DataPlatform", ..] => part == Relay,
            ["Reservation", "HoldDuration"] => part is Orchestrator or Queue,
            ["Reservation", ..] => part == Orchestrator,
            ["Faults", ..] => part != Gateway && part != Orchestrator,
            _ => part == Gateway
        }).ToDictionary();
}
