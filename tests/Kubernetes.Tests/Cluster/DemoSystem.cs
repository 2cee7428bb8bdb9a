using System.Data.Common;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using ConcertSaga.DevReceiver;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using Npgsql;

namespace ConcertSaga.Kubernetes.Tests.Cluster;

/// <summary>The demo on a cluster, seen from outside of it.</summary>
internal sealed class DemoSystem : ISystem
{
    /// <summary>The owners of a database.</summary>
    public static readonly IReadOnlyList<string> Owners =
        ["Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform", "Operations"];

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };

    private readonly Uri _receiver;
    private readonly Dictionary<string, string> _databases;
    private readonly OutcomeListener _outcomes;

    private DemoSystem(Uri address, Uri receiver, Dictionary<string, string> databases, OutcomeListener outcomes)
    {
        Address = address;
        _receiver = receiver;
        _databases = databases;
        _outcomes = outcomes;
    }

    public Uri Address { get; }

    /// <summary>The processes of the product.</summary>
    public IReadOnlyList<string> Parts { get; } =
        ["orchestrator", "queue", "seats", "points", "payments", "dataplatform", "operations", "gateway"];

    public SeatPool Seats { get; } = new();

    public bool PlatformOutlivesKills => true;

    /// <summary>Finds the ports and the secrets of a demo that runs.</summary>
    public static async Task<DemoSystem> FindAsync()
    {
        var node = (await ClusterCommands.RunAsync("get", "nodes", "--output",
            "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}")).Trim();
        var databases = new Dictionary<string, string>();
        foreach (var owner in Owners)
            databases[owner] = new NpgsqlConnectionStringBuilder(await SecretAsync(owner.ToLowerInvariant(), $"ConnectionStrings__{owner}"))
            {
                Host = node,
                Port = await PortAsync("postgresql"),
                Pooling = false
            }.ConnectionString;
        var broker = new UriBuilder(await SecretAsync("orchestrator", "ConnectionStrings__RabbitMq"))
        {
            Host = node,
            Port = await PortAsync("rabbitmq")
        }.Uri.ToString();
        return new DemoSystem(new Uri($"http://{node}:{await PortAsync("gateway")}"),
            new Uri($"http://{node}:{await PortAsync("receiver")}"), databases, await OutcomeListener.ListenAsync(broker));
    }

    /// <summary>Ends the processes of a pod as <c>kill -9</c> does, and waits until the cluster has noticed.</summary>
    public async Task KillAsync(string part)
    {
        var pod = (await ClusterCommands.PodsAsync(part)).Single();
        var before = await RestartsAsync();
        var processes = ProcessesIn(pod.Split('/')[1]);
        Assert.True(processes.Length > 0, $"{pod} runs on another machine, where no process can be killed.");
        foreach (var process in processes)
            process.Kill();
        await Eventually.TrueAsync(async () => await RestartsAsync() > before, TimeSpan.FromMinutes(1), $"{pod} restarts");

        async Task<int> RestartsAsync() => int.Parse(await ClusterCommands.RunAsync(
            "get", pod, "--output", "jsonpath={.status.containerStatuses[0].restartCount}"),
            System.Globalization.CultureInfo.InvariantCulture);
    }

    public async Task StartAsync(string part)
    {
        var kind = part is "rabbitmq" or "postgresql" ? "statefulset" : "deployment";
        await ClusterCommands.AwaitRolloutAsync($"{kind}/{part}");
    }

    /// <summary>Runs as many replicas of every process, and waits until they are ready and the others have ended.</summary>
    public async Task ScaleAsync(int replicas)
    {
        foreach (var part in Parts)
        {
            await ClusterCommands.RunAsync("scale", $"--replicas={replicas}", $"deployment/{part}");
            await ClusterCommands.AwaitRolloutAsync($"deployment/{part}");
            await Eventually.TrueAsync(async () => (await ClusterCommands.PodsAsync(part)).Length == replicas, TimeSpan.FromMinutes(1),
                $"{part} has {replicas} pods");
        }
    }

    public async Task<DbConnection> OpenAsync(string owner)
    {
        var connection = new NpgsqlConnection(_databases[owner]);
        await connection.OpenAsync();
        return connection;
    }

    public async Task<IReadOnlySet<(Guid Reservation, string Outcome)>?> ReadAnnouncedAsync() => await _outcomes.ReadAsync();

    public Task<bool> FailAsync(string queue, string type, Guid messageId, object command) => Task.FromResult(false);

    public async Task<ReceivedReport> ReadReportAsync() =>
        (await Http.GetFromJsonAsync<ReceivedReport>(new Uri(_receiver, "/received?last=1000"), JsonSerializerOptions.Web))!;

    public async Task<IReadOnlyList<ReceivedEvent>> ReadEventsAsync(Guid reservationId) =>
        (await Http.GetFromJsonAsync<ReceivedEvent[]>(new Uri(_receiver, $"/received/{reservationId}"), JsonSerializerOptions.Web))!;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    Task ISystem.ApplyAsync(IReadOnlyDictionary<string, string> settings) => throw new NotSupportedException();

    Task ISystem.SetFaultsAsync(string faults) => throw new NotSupportedException();

    Task<int> ISystem.StopAsync(string part) => throw new NotSupportedException();

    // The name of a pod is the name of the host that its containers see.
    private static Process[] ProcessesIn(string pod) => [.. Process.GetProcesses().Where(process =>
    {
        try
        {
            return process.ProcessName != "pause"
                && File.ReadAllText($"/proc/{process.Id}/environ").Split('\0').Contains($"HOSTNAME={pod}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    })];

    private static async Task<int> PortAsync(string service) => int.Parse(await ClusterCommands.RunAsync(
        "get", "service", $"outside-{service}", "--output", "jsonpath={.spec.ports[0].nodePort}"),
        System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<string> SecretAsync(string name, string key) => Encoding.UTF8.GetString(Convert.FromBase64String(
        await ClusterCommands.RunAsync("get", "secret", name, "--output", $"jsonpath={{.data.{key}}}")));
}
