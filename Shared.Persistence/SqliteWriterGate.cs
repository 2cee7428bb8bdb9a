using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Shared.Persistence;

/// <summary>
/// Lets one transaction at a time into each SQLite file, first in, first out, before <c>BEGIN IMMEDIATE</c>. SQLite itself makes a second
/// writer wait by blocking its thread in steps of up to 150 ms, which starves the thread pool and is not fair; waiting here costs a queued
/// continuation. Every context in a container with an outbox has it; add it to the options of other contexts on SQLite. On other servers, and
/// a second time, it does nothing.
/// </summary>
public sealed class SqliteWriterGate : DbTransactionInterceptor, IDbConnectionInterceptor, ISaveChangesInterceptor
{
    // One gate per file for the whole process: several contexts and several hosts may share a file.
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Gates = new();

    // Who holds a gate. A connection runs one transaction at a time, so it is the key.
    private static readonly ConcurrentDictionary<DbConnection, SemaphoreSlim> Held = new();

    /// <summary>
    /// How long a transaction waits for its turn before it fails, because who holds the gate may be waiting for it. Default 60 s; SQLite by
    /// itself gives up after 30, but does not hold its writers in a line.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    // A single statement is otherwise saved without a transaction, and would pass by the gate.
    ValueTask<InterceptionResult<int>> ISaveChangesInterceptor.SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken)
    {
        AlwaysInTransaction(eventData.Context);
        return ValueTask.FromResult(result);
    }

    InterceptionResult<int> ISaveChangesInterceptor.SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        AlwaysInTransaction(eventData.Context);
        return result;
    }

    private static void AlwaysInTransaction(DbContext? database)
    {
        if (database is not null && database.Database.ProviderName!.EndsWith("Sqlite", StringComparison.Ordinal))
            database.Database.AutoTransactionBehavior = AutoTransactionBehavior.Always;
    }

    // The transaction is begun here and not by EF Core, because only here a failure to begin can be seen: it must open the gate again.
    public override async ValueTask<InterceptionResult<DbTransaction>> TransactionStartingAsync(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result,
        CancellationToken cancellationToken = default)
    {
        if (result.HasResult || !IsSqlite(connection))
            return result;
        // One that was only disposed on a connection that stays open left no sign; nobody waits for himself.
        Leave(connection);
        var gate = GateOf(connection);
        if (!await gate.WaitAsync(Patience, cancellationToken).ConfigureAwait(false))
            throw NoTurn(connection);
        Held[connection] = gate;
        try
        {
            return InterceptionResult<DbTransaction>.SuppressWithResult(
                await connection.BeginTransactionAsync(eventData.IsolationLevel, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            Leave(connection);
            throw;
        }
    }

    public override InterceptionResult<DbTransaction> TransactionStarting(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result)
    {
        if (result.HasResult || !IsSqlite(connection))
            return result;
        Leave(connection);
        var gate = GateOf(connection);
        if (!gate.Wait(Patience))
            throw NoTurn(connection);
        Held[connection] = gate;
        try
        {
            return InterceptionResult<DbTransaction>.SuppressWithResult(connection.BeginTransaction(eventData.IsolationLevel));
        }
        catch
        {
            Leave(connection);
            throw;
        }
    }

    public override void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) => Leave(eventData.Context?.Database.GetDbConnection());

    public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Leave(eventData.Context?.Database.GetDbConnection());
        return Task.CompletedTask;
    }

    public override void TransactionRolledBack(DbTransaction transaction, TransactionEndEventData eventData) => Leave(eventData.Context?.Database.GetDbConnection());

    public override Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Leave(eventData.Context?.Database.GetDbConnection());
        return Task.CompletedTask;
    }

    // A transaction that is only disposed, or never began, ends here: EF Core closes the connection it opened for it.
    void IDbConnectionInterceptor.ConnectionClosed(DbConnection connection, ConnectionEndEventData eventData) => Leave(connection);

    Task IDbConnectionInterceptor.ConnectionClosedAsync(DbConnection connection, ConnectionEndEventData eventData)
    {
        Leave(connection);
        return Task.CompletedTask;
    }

    // So does a connection that the caller opened and never closed.
    void IDbConnectionInterceptor.ConnectionDisposed(DbConnection connection, ConnectionEndEventData eventData) => Leave(connection);

    Task IDbConnectionInterceptor.ConnectionDisposedAsync(DbConnection connection, ConnectionEndEventData eventData)
    {
        Leave(connection);
        return Task.CompletedTask;
    }

    private TimeoutException NoTurn(DbConnection connection) =>
        new($"No turn to write to {connection.DataSource} within {Patience.TotalSeconds:0} s. Does a transaction on it wait for another one on it?");

    private static bool IsSqlite(DbConnection connection) => connection.GetType().Name == "SqliteConnection";

    private static SemaphoreSlim GateOf(DbConnection connection) =>
        Gates.GetOrAdd(connection.DataSource, static _ => new SemaphoreSlim(1, 1));

    private static void Leave(DbConnection? connection)
    {
        if (connection is not null && Held.TryRemove(connection, out var gate))
            gate.Release();
    }
}
