using System.Collections.Concurrent;
using System.Data.Common;
using System.Text.Json;
using ConcertSaga.DevReceiver;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Npgsql;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Runs separate processes with databases and a virtual host of their own on the shared servers.</summary>
public sealed class ClusterSystem : ISystem
{
    /// <summary>The broker, as a part.</summary>
    public const string Broker = "RabbitMQ";

    /// <summary>The database server, as a part.</summary>
    public const string Database = "PostgreSQL";

    /// <summary>The process that owns the reservations.</summary>
    public const string Orchestrator = "Orchestrator";

    /// <summary>The process with the public address.</summary>
    public const string Gateway = ProductSettings.Gateway;

    /// <summary>The process with the waiting rooms.</summary>
    public const string Queue = "Services/Queue";

    /// <summary>The relay to the data platform.</summary>
    public const string Relay = "Services/DataPlatform";

    /// <summary>The process that keeps failed messages.</summary>
    public const string Operations = "Services/Operations";

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };

    private readonly PostgreSqlServer _database;
    private readonly RabbitMqServer _broker;
    private readonly Dictionary<string, string> _databases = [];
    private readonly Dictionary<string, Uri> _addresses = [];
    private readonly Dictionary<string, string[]> _arguments = [];
    private readonly ConcurrentDictionary<string, ServiceProcess> _processes = [];
    private readonly FaultFile _faults = new();
    private ProductSettings? _settings;
    private OutcomeListener? _outcomes;
    private Receiver? _platform;

    private ClusterSystem(PostgreSqlServer database, RabbitMqServer broker)
    {
        _database = database;
        _broker = broker;
    }

    public Uri Address => AddressOf(Gateway);

    public IReadOnlyList<string> Parts { get; } = [.. Processes, Broker, Database];

    public SeatPool Seats { get; } = new();

    public bool PlatformOutlivesKills => true;

    /// <summary>The data platform. It is not part of the product and runs in this process.</summary>
    public Receiver Platform => _platform!;

    /// <summary>Creates databases, schemas and a virtual host. The processes start with the first settings.</summary>
    public static async Task<ClusterSystem> CreateAsync(PostgreSqlServer database, RabbitMqServer broker)
    {
        var system = new ClusterSystem(database, broker);
        system._platform = await Receiver.StartAsync(new ReceiverOptions { Secrets = [WebhookSecret.Create()] });
        foreach (var part in ProductSettings.Owners)
            // Seven processes share the connections of one small server.
            system._databases[part] = await database.CreateDatabaseAsync(ProductSettings.NameOf(part)) + ";Maximum Pool Size=60";
        foreach (var part in Processes)
            system._addresses[part] = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}");
        var settings = system._settings = new ProductSettings
        {
            Broker = await broker.CreateVirtualHostAsync("e2e"),
            Databases = system._databases,
            Addresses = system._addresses,
            Destination = system._platform.Address,
            DestinationSecret = system._platform.Secrets[0]
        };
        var migrations = await Task.WhenAll(
            ProductSettings.Owners.Select(part => ServiceProcess.RunAsync(part, ["migrate", .. settings.ArgumentsOf(part)])));
        foreach (var (code, output) in migrations)
            Xunit.Assert.True(code == 0, output);
        system._outcomes = await OutcomeListener.ListenAsync(settings.Broker);
        return system;
    }

    /// <summary>The address of a process.</summary>
    public Uri AddressOf(string part) => _addresses[part];

    public async Task ApplyAsync(IReadOnlyDictionary<string, string> settings)
    {
        await Task.WhenAll(Processes.Select(async part =>
        {
            string[] arguments = [.. _settings!.ArgumentsOf(part), .. Settings.Arguments(SettingsFor(part, settings), _faults)];
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
            _processes[part] = await ServiceProcess.StartAsync(part, arguments, address: AddressOf(part));
        }));
        // The first attempt of a command is lost if its queue does not exist yet.
        foreach (var part in Processes)
            await Eventually.TrueAsync(async () => await HealthAsync(part) == "Healthy", TimeSpan.FromMinutes(1), $"{part} is healthy",
                Eventually.LongPause);
    }

    public Task SetFaultsAsync(string faults) =>
        _faults.WriteAsync(faults, [.. ProductSettings.Owners.Where(part => part != Orchestrator).Select(part => _processes[part])]);

    /// <summary>Reads the status from <c>/health/ready</c> of a process.</summary>
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
        if (!IsServer(part))
            return await _processes[part].StopAsync();
        await (part == Broker ? _broker.StopAsync() : _database.StopAsync());
        return 0;
    }

    public Task StartAsync(string part) => part switch
    {
        Broker => _broker.StartAsync(),
        Database => _database.StartAsync(),
        _ => _processes[part].StartAgainAsync()
    };

    public async Task<DbConnection> OpenAsync(string owner)
    {
        var connection = new NpgsqlConnection(_databases[ProductSettings.Owners.Single(part => ProductSettings.NameOf(part) == owner)]
            + ";Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    public async Task<IReadOnlySet<(Guid Reservation, string Outcome)>?> ReadAnnouncedAsync() => await _outcomes!.ReadAsync();

    public async Task<bool> FailAsync(string queue, string type, Guid messageId, object command)
    {
        await BrokerChannel.FailAsync(_settings!.Broker, queue, type, messageId, command);
        return true;
    }

    public Task<ReceivedReport> ReadReportAsync() => Task.FromResult(Platform.Report(last: 1000));

    public Task<IReadOnlyList<ReceivedEvent>> ReadEventsAsync(Guid reservationId) => Task.FromResult(Platform.EventsOf(reservationId));

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

    /// <summary>Whether a part is a server that the processes use.</summary>
    public static bool IsServer(string part) => part is Broker or Database;

    private static IEnumerable<string> Processes => [.. ProductSettings.Owners, Gateway];

    // A process gets only its own settings, so a change restarts no other process.
    private static Dictionary<string, string> SettingsFor(string part, IReadOnlyDictionary<string, string> settings) =>
        settings.Where(setting => setting.Key.Split(':') switch
        {
            ["Queue", ..] => part == Queue,
            ["DataPlatform", ..] => part == Relay,
            ["Operations", ..] => part == Operations,
            ["Reservation", "HoldDuration"] => part is Orchestrator or Queue,
            ["Reservation", ..] => part == Orchestrator,
            ["Faults", ..] => part != Gateway && part != Orchestrator,
            _ => part == Gateway
        }).ToDictionary();
}
