using System.Data.Common;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.DevReceiver;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using Microsoft.Data.Sqlite;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>Runs AllInOne as a child process with a data folder of its own.</summary>
public sealed partial class EmbeddedSystem : ISystem
{
    /// <summary>The project.</summary>
    public const string Project = "AllInOne";

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };

    private readonly FaultFile _faults = new();
    private IReadOnlyDictionary<string, string> _settings = new Dictionary<string, string>();
    private ServiceProcess? _process;

    /// <summary>The folder with all state.</summary>
    public string DataDirectory { get; } = Directory.CreateTempSubdirectory("concertsaga-e2e-").FullName;

    public Uri Address { get; } = new($"http://127.0.0.1:{LoopbackPort.Free()}");

    public IReadOnlyList<string> Parts { get; } = [Project];

    public SeatPool Seats { get; } = new();

    public bool PlatformOutlivesKills => false;

    /// <summary>The output of the process.</summary>
    public string Output => _process?.Output ?? "";

    public async Task ApplyAsync(IReadOnlyDictionary<string, string> settings)
    {
        if (_process is { HasExited: false } && Settings.AreEqual(settings, _settings))
            return;
        if (_process is { HasExited: false })
            Settings.CheckExit(Project, await StopAsync(Project), Output);
        if (_process is not null)
            await EndAsync();
        _settings = settings;
        _process = await ServiceProcess.StartAsync(Project, [$"--DataDirectory={DataDirectory}", .. Settings.Arguments(settings, _faults)],
            address: Address);
        // A process listens before it has caught up with what an earlier one left.
        await Eventually.TrueAsync(async () =>
        {
            using var health = JsonDocument.Parse(await Http.GetStringAsync(new Uri(Address, "/health/ready")));
            return health.RootElement.GetProperty("status").GetString() == "Healthy";
        }, TimeSpan.FromMinutes(1), $"{Project} is healthy", Eventually.LongPause);
    }

    public Task SetFaultsAsync(string faults) => _faults.WriteAsync(faults, _process!);

    public Task KillAsync(string part) => _process!.KillAsync();

    public Task<int> StopAsync(string part) => _process!.StopAsync();

    public Task StartAsync(string part) => _process!.StartAgainAsync();

    public async Task<DbConnection> OpenAsync(string owner)
    {
        var file = Path.Combine(DataDirectory, owner.ToLowerInvariant() + ".db");
        var connection = new SqliteConnection($"Data Source={file};Mode=ReadOnly;Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    public Task<IReadOnlySet<(Guid Reservation, string Outcome)>?> ReadAnnouncedAsync() =>
        Task.FromResult<IReadOnlySet<(Guid, string)>?>(null);

    public Task<bool> FailAsync(string queue, string type, Guid messageId, object command) => Task.FromResult(false);

    public async Task<ReceivedReport> ReadReportAsync() => (await Http.GetFromJsonAsync<ReceivedReport>(new Uri($"{Platform}?last=1000")))!;

    public async Task<IReadOnlyList<ReceivedEvent>> ReadEventsAsync(Guid reservationId) =>
        (await Http.GetFromJsonAsync<List<ReceivedEvent>>(new Uri($"{Platform}/{reservationId}")))!;

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        Directory.Delete(DataDirectory, recursive: true);
        _faults.Dispose();
    }

    // The receiver logs its address, which has a new port at each start.
    private string Platform => PlatformAddress().Matches(Output)[^1].Groups[1].Value;

    [GeneratedRegex(@"Events received by the data platform: (\S+)")]
    private static partial Regex PlatformAddress();

    private async Task EndAsync()
    {
        if (_process is not null)
        {
            Settings.KeepLog(Project, _process.Output);
            await _process.DisposeAsync();
        }
    }
}
