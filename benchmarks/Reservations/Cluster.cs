using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.DevReceiver;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Npgsql;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>The product as separate processes on this machine, each named in lower case, with servers of their own.</summary>
internal sealed class Cluster : IBookingSystem, IAsyncDisposable
{
    private static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(10.5);

    // docs/operations.md recommends this for a machine with memory to spare.
    public static readonly Dictionary<string, string?> Runtime = new() { ["DOTNET_GCgen0size"] = "0x4000000" };

    private readonly PostgreSqlServer _server = new() { IsDurable = true };
    private readonly RabbitMqServer _broker = new();
    private readonly Dictionary<string, string> _databases = [];
    private readonly Dictionary<string, NpgsqlDataSource> _sources = [];
    private readonly Dictionary<string, ServiceProcess> _processes = [];
    private ProductSettings? _settings;
    private readonly ReceiverOptions _receiverOptions = new() { Port = LoopbackPort.Free(), Secrets = [WebhookSecret.Create()] };
    private Receiver? _receiver;

    private Cluster()
    {
    }

    public Uri Gateway => AddressOf("gateway");

    public Uri Broker => new(_settings!.Broker);

    /// <summary>The queue service's own address.</summary>
    public Uri Queue => AddressOf("queue");

    /// <summary>The secret that the gateway sends to the services.</summary>
    public string Secret => _settings!.Secret;

    public string Database => _databases["Services/Queue"];

    /// <summary>The id of each process by its name; 0 for a server in a container, whose time is not measured.</summary>
    public Dictionary<string, int> Processes { get; } = [];

    /// <param name="settings">Settings of all processes, as arguments.</param>
    /// <param name="only">The names of the processes; by default all.</param>
    public static Task<Cluster> StartAsync(IReadOnlyList<string> settings, params string[] only) =>
        StartAsync(settings, _ => Task.CompletedTask, only);

    /// <param name="settings">Settings of all processes, as arguments.</param>
    /// <param name="fill">Fills the databases, which have their schema, before the processes start.</param>
    /// <param name="only">The names of the processes; by default all.</param>
    public static async Task<Cluster> StartAsync(IReadOnlyList<string> settings, Func<Cluster, Task> fill, params string[] only)
    {
        var cluster = new Cluster();
        try
        {
            await cluster.StartProcessesAsync(settings, fill, only);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops the receiver, which stands in for the data platform.</summary>
    public async Task StopReceiverAsync()
    {
        await _receiver!.DisposeAsync();
        _receiver = null;
    }

    /// <summary>What the data platform has accepted about a reservation.</summary>
    public IReadOnlyList<ReceivedEvent> ReceivedOf(Guid reservationId) => _receiver!.EventsOf(reservationId);

    /// <summary>Restarts the receiver.</summary>
    public async Task StartReceiverAsync() => _receiver = await Receiver.StartAsync(_receiverOptions);

    /// <summary>The address of a process.</summary>
    public Uri AddressOf(string name) => _processes[name].Address;

    /// <summary>Stops a process and starts it with other settings.</summary>
    public async Task RestartAsync(string name, IReadOnlyList<string> settings)
    {
        await _processes[name].StopAsync();
        await _processes[name].DisposeAsync();
        await StartAsync(_settings!.Addresses.Keys.Single(part => NameOf(part) == name), settings);
    }

    /// <summary>Milliseconds of processor time of each process so far.</summary>
    public Dictionary<string, double> CpuTimes() =>
        Processes.ToDictionary(pair => pair.Key, pair => pair.Key == "postgres" ? CpuTime.OfFamily(pair.Value) : CpuTime.Of(pair.Value));

    /// <summary>Committed transactions of all databases. It waits until the server has counted them.</summary>
    public async Task<double> CommitsAsync()
    {
        await Task.Delay(StatisticsDelay);
        var names = string.Join(", ", _databases.Values.Select(database => $"'{new NpgsqlConnectionStringBuilder(database).Database}'"));
        return await NumberAsync("queue", $"SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname IN ({names})");
    }

    /// <summary>The database of an owner.</summary>
    public NpgsqlDataSource DatabaseOf(string owner) => _sources[owner];

    /// <summary>Queries one number from an owner's database.</summary>
    public async Task<long> NumberAsync(string owner, string sql)
    {
#pragma warning disable CA2100 // Constants of this program.
        await using var command = _sources[owner].CreateCommand(sql);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async Task<int> ChangeAsync(string owner, string sql)
    {
#pragma warning disable CA2100 // Constants of this program.
        await using var command = _sources[owner].CreateCommand(sql);
#pragma warning restore CA2100
        return await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in _sources.Values)
            await source.DisposeAsync();
        foreach (var process in _processes.Values)
            await process.DisposeAsync();
        if (_receiver is not null)
            await _receiver.DisposeAsync();
        await _broker.DisposeAsync();
        await _server.DisposeAsync();
    }

    private async Task StartProcessesAsync(IReadOnlyList<string> settings, Func<Cluster, Task> fill, string[] only)
    {
        string[] parts = [.. ProductSettings.Owners.Append(ProductSettings.Gateway)
            .Where(part => only.Length == 0 || only.Contains(NameOf(part)))];
        foreach (var part in ProductSettings.Owners)
        {
            _databases[part] = await _server.CreateDatabaseAsync(ProductSettings.NameOf(part)) + ";Maximum Pool Size=80";
            _sources[NameOf(part)] = NpgsqlDataSource.Create(_databases[part]);
        }
        await StartReceiverAsync();
        _settings = new ProductSettings
        {
            Broker = await _broker.CreateVirtualHostAsync("benchmark"),
            Databases = _databases,
            Addresses = ProductSettings.Owners.Append(ProductSettings.Gateway)
                .ToDictionary(part => part, _ => new Uri($"http://127.0.0.1:{LoopbackPort.Free()}")),
            Destination = _receiver!.Address,
            DestinationSecret = _receiverOptions.Secrets[0]
        };
        foreach (var part in parts.Where(part => part != ProductSettings.Gateway))
        {
            var (code, output) = await ServiceProcess.RunAsync(part, ["migrate", .. _settings.ArgumentsOf(part), .. settings]);
            if (code != 0)
                throw new BenchmarkException($"The migration of {part} failed: {output}");
        }
        await fill(this);
        foreach (var part in parts)
            await StartAsync(part, settings);
        Processes["postgres"] = await _server.ProcessIdAsync() ?? 0;
        Processes["rabbitmq"] = await _broker.ProcessIdAsync() ?? 0;
    }

    private async Task StartAsync(string part, IReadOnlyList<string> settings)
    {
        var process = await ServiceProcess.StartAsync(
            part, [.. _settings!.ArgumentsOf(part), .. settings], Runtime, _settings.Addresses[part]);
        _processes[NameOf(part)] = process;
        Processes[NameOf(part)] = process.ProcessId;
    }

    private static string NameOf(string part) => ProductSettings.NameOf(part).ToLowerInvariant();
}
