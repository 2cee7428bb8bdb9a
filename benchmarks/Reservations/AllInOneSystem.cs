using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Testing.Processes;
using Microsoft.Data.Sqlite;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>The whole product in one process with SQLite files in a folder of its own.</summary>
internal sealed class AllInOneSystem : IBookingSystem, IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-benchmark-").FullName;
    private ServiceProcess? _process;

    private AllInOneSystem()
    {
    }

    public Uri Gateway => _process!.Address;

    /// <param name="settings">Settings, as arguments.</param>
    /// <param name="environment">Environment variables.</param>
    public static async Task<AllInOneSystem> StartAsync(
        IReadOnlyList<string> settings, IReadOnlyDictionary<string, string?> environment)
    {
        var system = new AllInOneSystem();
        try
        {
            system._process = await ServiceProcess.StartAsync("AllInOne", [$"--DataDirectory={system._folder}", .. settings], environment);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    public Dictionary<string, double> CpuTimes() => new() { ["allinone"] = CpuTime.Of(_process!.ProcessId) };

    public Task<double> CommitsAsync() => Task.FromResult(double.NaN);

    public async Task<long> NumberAsync(string owner, string sql)
    {
        await using var connection = await OpenAsync(owner);
#pragma warning disable CA2100 // Constants of this program.
        await using var command = new SqliteCommand(sql, connection);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public async Task<int> ChangeAsync(string owner, string sql)
    {
        await using var connection = await OpenAsync(owner);
#pragma warning disable CA2100 // Constants of this program.
        await using var command = new SqliteCommand(sql, connection);
#pragma warning restore CA2100
        return await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<SqliteConnection> OpenAsync(string owner)
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine(_folder, owner)}.db;Pooling=false");
        await connection.OpenAsync();
        return connection;
    }
}
