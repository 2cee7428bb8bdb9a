using System.Data.Common;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using ConcertSaga.DataPlatformStub;
using ConcertSaga.Testing.Processes;
using Microsoft.Data.Sqlite;

namespace ConcertSaga.EndToEnd.Tests.Systems;

/// <summary>AllInOne as a child process, with a data folder of its own.</summary>
public sealed partial class EmbeddedSystem : ISystem
{
    /// <summary>The project.</summary>
    public const string Project = "AllInOne";

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };

    private readonly FaultFile _faults = new();
    private IReadOnlyDictionary<string, string> _settings = new Dictionary<string, string>();
    private ServiceProcess? _process;

    /// <summary>Where all its state is.</summary>
    public string DataDirectory { get; } = Directory.CreateTempSubdirectory("concertsaga-e2e-").FullName;

    public Uri Address { get; } = new($"http://127.0.0.1:{LoopbackPort.Free()}");

    public IReadOnlyList<string> Parts { get; } = [Project];

    public SeatPool Seats { get; } = new();

    public bool PlatformOutlivesKills => false;

    /// <summary>All it wrote.</summary>
    public string Output => _process?.Output ?? "";

    public async Task UseAsync(IReadOnlyDictionary<string, string> settings)
    {
        if (_process is { HasExited: false } && Settings.AreEqual(settings, _settings))
            return;
        if (_process is { HasExited: false })
            Settings.CheckExit(Project, await StopAsync(Project), Output);
        if (_process is not null)
            await EndAsync();
        _settings = settings;
        _process = await ServiceProcess.StartAsync(Project, [$"--DataDirectory={DataDirectory}", .. Settings.Arguments(settings, _faults)], address: Address);
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

    public Task<IReadOnlySet<(Guid Reservation, string Outcome)>?> AnnouncedAsync() => Task.FromResult<IReadOnlySet<(Guid, string)>?>(null);

    public async Task<ReceivedReport> ToldAsync() => (await Http.GetFromJsonAsync<ReceivedReport>(new Uri($"{Platform}?last=1000")))!;

    public async Task<IReadOnlyList<ReceivedEvent>> ToldOfAsync(Guid reservationId) =>
        (await Http.GetFromJsonAsync<List<ReceivedEvent>>(new Uri($"{Platform}/{reservationId}")))!;

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        Directory.Delete(DataDirectory, recursive: true);
        _faults.Dispose();
    }

    // On a port of its own, which it tells at each start.
    private string Platform => PlatformAddress().Matches(Output)[^1].Groups[1].Value;

    [GeneratedRegex(@"What the data platform was told: (\S+)")]
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
