using System.Diagnostics;
using ConcertSaga.Shared.Hosting;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Reads all databases of a folder as of one moment. It takes the write locks of all files, starts a read transaction on each, and
/// releases the locks. The readers never see later commits, so copying blocks no writer.
/// </summary>
internal sealed class DatabaseSnapshot : IAsyncDisposable
{
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(60), MaxHoldTime = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, SqliteConnection> _readers = [];

    /// <summary>How long the writers were blocked.</summary>
    public TimeSpan Pause { get; private set; }

    public static async Task<DatabaseSnapshot> TakeAsync(string folder, IReadOnlyList<string> files)
    {
        var snapshot = new DatabaseSnapshot();
        var locks = new List<SqliteConnection>();
        try
        {
            foreach (var file in files)
            {
                locks.Add(Open(Path.Combine(folder, file)));
                snapshot._readers[file] = Open(Path.Combine(folder, file));
            }
            var watch = Stopwatch.StartNew();
            while (!await snapshot.TryPinAsync(locks))
            {
                if (watch.Elapsed > LockTimeout)
                    throw new StartupException(
                        $"The databases in '{folder}' were too busy for {LockTimeout.TotalSeconds:0} s. Try again under less load.");
            }
            return snapshot;
        }
        catch
        {
            await snapshot.DisposeAsync();
            throw;
        }
        finally
        {
            locks.ForEach(connection => connection.Dispose());
        }
    }

    /// <summary>Copies one database as of the moment of the snapshot.</summary>
    public void Copy(string file, string destination)
    {
        using var copy =
            new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = destination, Pooling = false }.ConnectionString);
        copy.Open();
        _readers[file].BackupDatabase(copy);
        using var check = copy.CreateCommand();
        check.CommandText = "PRAGMA quick_check(1)";
        if (check.ExecuteScalar() is not "ok")
            throw new StartupException($"{file} is damaged: SQLite's check of the copy failed. Restore an earlier backup.");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var reader in _readers.Values)
            await reader.DisposeAsync();
    }

    private async Task<bool> TryPinAsync(List<SqliteConnection> locks)
    {
        var held = new List<SqliteConnection>();
        long startedAt = 0;
        try
        {
            foreach (var connection in locks)
            {
                if (!await TryLockAsync(connection, held.Count == 0 ? LockTimeout : MaxHoldTime))
                    return false;
                startedAt = held.Count == 0 ? Stopwatch.GetTimestamp() : startedAt;
                held.Add(connection);
            }
            foreach (var reader in _readers.Values)
                Execute(reader, "BEGIN; SELECT COUNT(*) FROM sqlite_schema;");
            return true;
        }
        finally
        {
            held.ForEach(connection => Execute(connection, "ROLLBACK"));
            if (startedAt != 0)
                Pause = Stopwatch.GetElapsedTime(startedAt);
        }
    }

    // SQLite does not queue waiting writers. One that sleeps between attempts would rarely hit the short gap between two commits.
    private static async Task<bool> TryLockAsync(SqliteConnection connection, TimeSpan limit)
    {
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < limit)
        {
            for (var attempt = 0; attempt < 200; attempt++)
            {
                var result = raw.sqlite3_exec(connection.Handle, "BEGIN IMMEDIATE");
                if (result == raw.SQLITE_OK)
                    return true;
                if (result != raw.SQLITE_BUSY)
                    throw Failure(connection);
                await Task.Yield();
            }
            await Task.Delay(5);
        }
        return false;
    }

    private static SqliteConnection Open(string file)
    {
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        if (raw.sqlite3_exec(connection.Handle, sql) != raw.SQLITE_OK)
            throw Failure(connection);
    }

    private static StartupException Failure(SqliteConnection connection) =>
        new($"{connection.DataSource} cannot be used: {raw.sqlite3_errmsg(connection.Handle).utf8_to_string()}.");
}
