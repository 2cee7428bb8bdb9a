using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>
/// Stands in for SQL Server: takes what the product sends to it, refuses what SQL Server 2019 could not parse, remembers the rest, and runs
/// it on SQLite, so that the product goes on as it would. It says nothing about what only the real server knows, such as locks and plans.
/// </summary>
internal sealed class EmulatedServer : DbConnectionInterceptor, IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-sqlserver").FullName;
    private readonly ConcurrentDictionary<(string Owner, string Text), Statement> _statements = new();
    private readonly ConcurrentDictionary<(string File, int Line), bool> _places = new();

    /// <summary>Every statement that was sent, once for each text.</summary>
    public IEnumerable<Statement> Statements => _statements.Values;

    /// <summary>The places in the source that were running when a statement was sent.</summary>
    public IEnumerable<(string File, int Line)> Places => _places.Keys;

    /// <summary>What is to happen, in SQLite's words, just before a statement with this text is run; for what otherwise takes a race.</summary>
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

    public override InterceptionResult<DbConnection> ConnectionCreating(ConnectionCreatingEventData eventData, InterceptionResult<DbConnection> result) =>
        InterceptionResult<DbConnection>.SuppressWithResult(
            new EmulatedConnection(this, eventData.Context!.GetType().Name["SqlServer".Length..^"DbContext".Length]));

    public string AddressOf(string owner) => $"Data Source={Path.Combine(_folder, owner)}.db";

    public void Take(Statement statement)
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
