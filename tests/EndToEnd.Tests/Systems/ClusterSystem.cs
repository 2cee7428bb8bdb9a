using System.Collections.Concurrent;
using System.Data.Common;
using System.Net;
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

    /// <summary>The data platform, as the end of a link.</summary>
    public const string DataPlatform = "Data platform";

    /// <summary>The caller of the public address.</summary>
    public const string Customers = "Customers";

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
    private readonly Dictionary<(string From, string To), Link> _links = [];
    private readonly FaultFile _faults = new();
    private Func<string, IReadOnlyDictionary<string, string?>>? _variablesOf;
    private ProductSettings? _settings;
    private OutcomeListener? _outcomes;
    private Receiver? _platform;

    private ClusterSystem(PostgreSqlServer database, RabbitMqServer broker)
    {
        _database = database;
        _broker = broker;
    }

    public Uri Address => _links.TryGetValue((Customers, Gateway), out var link) ? At(link, AddressOf(Gateway)) : AddressOf(Gateway);

    public IReadOnlyList<string> Parts { get; } = [.. Processes, Broker, Database];

    public SeatPool Seats { get; } = new();

    public bool PlatformOutlivesKills => true;

    /// <summary>The data platform. It is not part of the product and runs in this process.</summary>
    public Receiver Platform => _platform!;

    /// <summary>The links by caller and called part, if the system has links.</summary>
    public IReadOnlyDictionary<(string From, string To), Link> Links => _links;

    /// <summary>Creates databases, schemas and a virtual host. The processes start with the first settings.</summary>
    /// <param name="database">The database server.</param>
    /// <param name="broker">The broker.</param>
    /// <param name="linkSeed">Puts a link between any two parts, whose random choices begin with this seed; null for none.</param>
    /// <param name="variablesOf">Additional environment variables of a process; null for none.</param>
    public static async Task<ClusterSystem> CreateAsync(PostgreSqlServer database, RabbitMqServer broker, int? linkSeed = null,
        Func<string, IReadOnlyDictionary<string, string?>>? variablesOf = null)
    {
        var system = new ClusterSystem(database, broker) { _variablesOf = variablesOf };
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
        if (linkSeed is { } seed)
            system.AddLinks(new Random(seed));
        system._outcomes = await OutcomeListener.ListenAsync(settings.Broker);
        return system;
    }

    /// <summary>The address of a process.</summary>
    public Uri AddressOf(string part) => _addresses[part];

    public async Task ApplyAsync(IReadOnlyDictionary<string, string> settings)
    {
        await Task.WhenAll(Processes.Select(async part =>
        {
            string[] arguments = [.. SettingsOf(part).ArgumentsOf(part), .. Settings.Arguments(SettingsFor(part, settings), _faults)];
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
            _processes[part] = await ServiceProcess.StartAsync(part, arguments, _variablesOf?.Invoke(part), AddressOf(part));
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

    /// <summary>Stops a part where it is, until <see cref="ResumeAsync"/>.</summary>
    public async Task PauseAsync(string part)
    {
        if (IsServer(part))
            await (part == Broker ? _broker.PauseAsync() : _database.PauseAsync());
        else
            _processes[part].Pause();
    }

    /// <summary>Lets a part go on after <see cref="PauseAsync"/>.</summary>
    public async Task ResumeAsync(string part)
    {
        if (IsServer(part))
            await (part == Broker ? _broker.ResumeAsync() : _database.ResumeAsync());
        else
            _processes[part].Resume();
    }

    /// <summary>Sets an environment variable of a process for its next start; null removes it.</summary>
    public void Set(string part, string variable, string? value) => _processes[part].Set(variable, value);

    /// <summary>Whether a process has ended.</summary>
    public bool HasExited(string part) => !IsServer(part) && _processes[part].HasExited;

    /// <summary>What a process has written.</summary>
    public string OutputOf(string part) => _processes[part].Output;

    /// <summary>Runs a command of a program, such as <c>import</c>, with the settings of its process.</summary>
    public Task<(int ExitCode, string Output)> RunAsync(string part, params string[] command) =>
        ServiceProcess.RunAsync(part, [.. command, .. SettingsOf(part).ArgumentsOf(part)]);

    /// <summary>The address of the broker's virtual host, and its queues with a fixed name.</summary>
    public async Task<(string Address, string[] Queues)> QueuesAsync() => (_settings!.Broker,
        [.. (await _broker.ListQueuesAsync(_settings.Broker)).Keys.Where(queue => queue.All(letter => char.IsAsciiLetterLower(letter)
            || letter == '-') && queue != OutcomeListener.Queue).Order(StringComparer.Ordinal)]);

    public async Task<int> StopAsync(string part)
    {
        if (!IsServer(part))
            return await _processes[part].StopAsync();
        await (part == Broker ? _broker.StopAsync() : _database.StopAsync());
        return 0;
    }

    /// <summary>Restarts a process, and waits for its readiness for a limited time.</summary>
    public Task StartAsync(string part, TimeSpan limit) => _processes[part].StartAgainAsync(limit);

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
        foreach (var link in _links.Values)
            await link.DisposeAsync();
        await Platform.DisposeAsync();
        _faults.Dispose();
    }

    /// <summary>Whether a part is a server that the processes use.</summary>
    public static bool IsServer(string part) => part is Broker or Database;

    private static IEnumerable<string> Processes => [.. ProductSettings.Owners, Gateway];

    private static Uri At(Link link, Uri address) => new UriBuilder(address) { Port = link.Port }.Uri;

    private void AddLinks(Random random)
    {
        void Add(string from, string to, Uri address) =>
            _links[(from, to)] = new Link(new IPEndPoint(IPAddress.Loopback, address.Port), random.Next());

        var broker = new Uri(_settings!.Broker);
        Add(Customers, Gateway, AddressOf(Gateway));
        Add(Relay, DataPlatform, Platform.Address);
        foreach (var from in Processes)
        {
            Add(from, Broker, broker);
            if (_databases.TryGetValue(from, out var database))
                Add(from, Database, new Uri($"tcp://127.0.0.1:{new NpgsqlConnectionStringBuilder(database).Port}"));
        }
        foreach (var from in Processes)
        {
            var arguments = _settings.ArgumentsOf(from).ToList();
            bool Calls(string to) => arguments.Exists(argument => argument.EndsWith($"={AddressOf(to)}", StringComparison.Ordinal));
            foreach (var to in Processes.Where(Calls))
                Add(from, to, AddressOf(to));
        }
    }

    // With links, each process has addresses of its own for all others.
    private ProductSettings SettingsOf(string part) => _links.Count == 0 ? _settings! : _settings! with
    {
        Broker = At(_links[(part, Broker)], new Uri(_settings.Broker)).ToString(),
        Databases = _databases.ToDictionary(owner => owner.Key, owner => owner.Key != part ? owner.Value
            : new NpgsqlConnectionStringBuilder(owner.Value) { Port = _links[(part, Database)].Port }.ConnectionString),
        Addresses = _addresses.ToDictionary(other => other.Key, other =>
            _links.TryGetValue((part, other.Key), out var link) ? At(link, other.Value) : other.Value),
        Destination = part == Relay ? At(_links[(Relay, DataPlatform)], Platform.Address) : Platform.Address
    };

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
