using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing;
using Npgsql;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>The product as <c>eng/local-cluster.sh</c> runs it, in a folder of this run's own, and down again at its end.</summary>
internal sealed partial class Cluster : IAsyncDisposable
{
    /// <summary>The parts of the product that have a database.</summary>
    public static readonly string[] Owners = ["orchestrator", "queue", "seats", "points", "payments", "dataplatform"];

    private static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(10.5);

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"concertsaga-benchmark-{Guid.CreateVersion7():n}");
    private readonly Dictionary<string, NpgsqlDataSource> _databases = [];
    private Dictionary<string, string> _settings = [];

    private Cluster()
    {
    }

    public Uri Gateway => new(_settings["GATEWAY_URL"]);

    public Uri Broker => new(_settings["RABBITMQ_URL"]);

    /// <summary>Where the queue service listens itself.</summary>
    public Uri Queue => new(_settings["QUEUE_URL"]);

    /// <summary>What the gateway shows the services.</summary>
    public string Secret => _settings["GATEWAY_SECRET"];

    public string Database => _settings["QUEUE_DATABASE"];

    /// <summary>The id of each process by its name.</summary>
    public Dictionary<string, int> Processes { get; private set; } = [];

    /// <param name="arguments">Which processes, and settings for all of them.</param>
    public static async Task<Cluster> StartAsync(params string[] arguments)
    {
        var cluster = new Cluster();
        try
        {
            var status = await cluster.RunAsync(["up", "--no-build", .. arguments]);
            cluster._settings = (await File.ReadAllLinesAsync(Path.Combine(cluster._folder, "cluster.env")))
                .Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
            cluster.Processes = StatusLines().Matches(status)
                // What stands in for the outside world is no part of the product, and may end and start again.
                .Where(line => line.Groups[1].Value != "receiver").ToDictionary(line => line.Groups[1].Value, line => int.Parse(line.Groups[2].Value, CultureInfo.InvariantCulture));
            foreach (var owner in Owners.Where(cluster.Processes.ContainsKey))
                cluster._databases[owner] = NpgsqlDataSource.Create(cluster._settings[$"{owner.ToUpperInvariant()}_DATABASE"]);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends a process orderly.</summary>
    public Task StopAsync(string name) => RunAsync("stop", name);

    /// <summary>Starts a process again.</summary>
    public Task StartAsync(string name) => RunAsync("start", name);

    /// <summary>Milliseconds of processor time of each process so far.</summary>
    public Dictionary<string, double> CpuTimes() =>
        Processes.ToDictionary(one => one.Key, one => one.Key == "postgres" ? CpuTime.OfFamily(one.Value) : CpuTime.Of(one.Value));

    /// <summary>How many transactions were committed in all databases, after waiting until the server has counted them.</summary>
    public async Task<double> CommitsAsync()
    {
        await Task.Delay(StatisticsDelay);
        return await NumberAsync("orchestrator", "SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname IN ('orchestrator', 'queue', 'seats', 'points', 'payments', 'dataplatform')");
    }

    /// <summary>The database of an owner.</summary>
    public NpgsqlDataSource DatabaseOf(string owner) => _databases[owner];

    /// <summary>A number out of an owner's database.</summary>
    public async Task<long> NumberAsync(string owner, string sql)
    {
#pragma warning disable CA2100 // Constants of this program.
        await using var command = _databases[owner].CreateCommand(sql);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var database in _databases.Values)
            await database.DisposeAsync();
        await RunAsync("down");
    }

    private async Task<string> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "eng", "local-cluster.sh"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["CONCERT_CLUSTER"] = _folder }
        };
        using var process = Process.Start(start)!;
        // Not to the end of the output: the processes of the cluster have no part in it, but a shell in between may.
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        var said = await errors;
        return process.ExitCode == 0 ? await output
            : throw new BenchmarkException($"the cluster did not go {arguments[0]}: {said.Trim().Split('\n')[0]}");
    }

    [GeneratedRegex(@"^(\w+)\s+id (\d+)\s+port \d+\s+ready", RegexOptions.Multiline)]
    private static partial Regex StatusLines();
}
