using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>
/// Stands in for SQL Server. It rejects statements that SQL Server 2019 cannot parse, records all others, and runs them on SQLite. Locks
/// and plans need the real server.
/// </summary>
internal sealed class EmulatedServer : DbConnectionInterceptor, IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-sqlserver").FullName;
    private readonly ConcurrentDictionary<(string Owner, string Text), Statement> _statements = new();
    private readonly ConcurrentDictionary<(string File, int Line), bool> _places = new();

    /// <summary>The statements sent so far, one per text.</summary>
    public IEnumerable<Statement> Statements => _statements.Values;

    /// <summary>The places in the source that have sent a statement.</summary>
    public IEnumerable<(string File, int Line)> Places => _places.Keys;

    /// <summary>
    /// SQLite statements to run just before a statement that contains the key. They replace a race that is hard to provoke.
    /// </summary>
    public ConcurrentDictionary<string, string> Before { get; } = new();

    /// <summary>Creates the tables of all owners.</summary>
    public async Task MigrateAsync()
    {
        foreach (var owner in Owners.Names)
        {
            await using var context = Owners.Create(owner, DatabaseProvider.Sqlite, AddressOf(owner));
            await context.Database.MigrateAsync();
        }
    }

    public override InterceptionResult<DbConnection> ConnectionCreating(ConnectionCreatingEventData eventData,
        InterceptionResult<DbConnection> result) =>
        InterceptionResult<DbConnection>.SuppressWithResult(
            new EmulatedConnection(this, eventData.Context!.GetType().Name["SqlServer".Length..^"DbContext".Length]));

    public string AddressOf(string owner) => $"Data Source={Path.Combine(_folder, owner)}.db";

    public void Record(Statement statement)
    {
        _statements.TryAdd((statement.Owner, statement.Text), statement);
        foreach (var frame in new StackTrace(fNeedFileInfo: true).GetFrames())
        {
            if (frame.GetFileName() is { } file)
                _places.TryAdd((file, frame.GetFileLineNumber()), true);
        }
    }

    public ValueTask DisposeAsync()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }
}
