using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>
/// Detects that a database file was deleted, moved or replaced while the process runs. SQLite would continue with the open file, and its
/// commits would be lost when the process ends.
/// </summary>
internal sealed class SqliteFile(string owner, string connectionString) : IHostedService, IDisposable
{
    // SQLITE_FCNTL_HAS_MOVED.
    private const int HasMoved = 20;

    private static readonly string[] LogSuffixes = ["-wal", "-shm"];

    // Stays open while the process runs, because a later connection would open the new file.
    private readonly SqliteConnection _connection =
        new(new SqliteConnectionStringBuilder(connectionString) { Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ConnectionString);
    private readonly Lock _lock = new();
    private bool _isDisposed, _hasLog;

    /// <summary>Describes the problem of the file; null while it is in its place, or if it never existed.</summary>
    public string? Problem()
    {
        lock (_lock)
        {
            if (_isDisposed || (_connection.State != System.Data.ConnectionState.Open && !TryOpen()))
                return null;
            if (sqlite3_file_control(_connection.Handle!.DangerousGetHandle(), "main\0"u8.ToArray(), HasMoved, out var hasMoved) == 0
                && hasMoved != 0)
                return Lost(_connection.DataSource);
            // SQLite keeps both files while a connection is open. Commits that are not yet checkpointed are only there.
            return _hasLog ? LogSuffixes.Select(suffix => _connection.DataSource + suffix)
                .Where(file => !File.Exists(file)).Select(Lost).FirstOrDefault() : null;
        }
    }

    private string Lost(string file) =>
        $"The file {file} of database {owner} was deleted, moved or replaced while the process was running. "
            + "Stop the process with SIGTERM, which saves what it can, and compare with a backup.";

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // Opens the connection to the file, which the migration has created.
        Problem();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _connection.Dispose();
        }
    }

    private bool TryOpen()
    {
        if (!File.Exists(_connection.DataSource))
            return false;
        try
        {
            _connection.Open();
            using var command = _connection.CreateCommand();
            // SQLite opens the file only at the first statement.
            command.CommandText = "PRAGMA schema_version";
            command.ExecuteScalar();
            command.CommandText = "PRAGMA journal_mode";
            _hasLog = command.ExecuteScalar() is "wal";
            return true;
        }
        catch (SqliteException)
        {
            _connection.Close();
            return false;
        }
    }

    [DllImport("e_sqlite3"), DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory)]
    private static extern int sqlite3_file_control(nint database, byte[] name, int operation, out int result);
}
