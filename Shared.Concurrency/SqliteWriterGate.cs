using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Shared.Concurrency;

/// <summary>
/// Admits one transaction at a time to each SQLite file, in order of arrival, before <c>BEGIN IMMEDIATE</c>. SQLite itself makes a second
/// writer wait by blocking its thread in steps of up to 150 ms, which starves the thread pool and is unfair. Waiting here costs a queued
/// continuation. Add it to the options of every context on SQLite. On other servers, and when added twice, it does nothing.
/// </summary>
public sealed class SqliteWriterGate : DbTransactionInterceptor, ISaveChangesInterceptor
{
    // One gate per file for the whole process: several contexts and several hosts may share a file.
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Gates = new();

    // The connections that hold a gate. A connection runs one transaction at a time.
    private static readonly ConcurrentDictionary<DbConnection, SemaphoreSlim> Held = new();

    /// <summary>
    /// How long a transaction waits for its turn before it fails; the holder of the gate may be waiting for it. Default 60 s. SQLite's own
    /// limit is 30 s, but SQLite does not queue its writers.
    /// </summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromSeconds(60);

    // EF Core saves a single statement without a transaction, which would bypass the gate.
    ValueTask<InterceptionResult<int>> ISaveChangesInterceptor.SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken)
    {
        UseTransaction(eventData.Context);
        return ValueTask.FromResult(result);
    }

    InterceptionResult<int> ISaveChangesInterceptor.SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        UseTransaction(eventData.Context);
        return result;
    }

    private static void UseTransaction(DbContext? database)
    {
        if (database is not null && database.Database.ProviderName!.EndsWith("Sqlite", StringComparison.Ordinal))
            database.Database.AutoTransactionBehavior = AutoTransactionBehavior.Always;
    }

    // Begins the transaction here instead of leaving it to EF Core, because a failed BEGIN must open the gate again.
    public override async ValueTask<InterceptionResult<DbTransaction>> TransactionStartingAsync(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result,
        CancellationToken cancellationToken = default)
    {
        if (result.HasResult || !IsSqlite(connection))
            return result;
        // A transaction that was only disposed raises no event while its connection stays open.
        Release(connection);
        try
        {
            var gate = GateOf(connection);
            if (!await gate.WaitAsync(MaxWait, cancellationToken).ConfigureAwait(false))
                throw TurnTimeout(connection);
            Hold(connection, gate);
            return InterceptionResult<DbTransaction>.SuppressWithResult(
                await connection.BeginTransactionAsync(eventData.IsolationLevel, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            Release(connection);
            await CloseAsync(eventData.Context).ConfigureAwait(false);
            throw;
        }
    }

    public override InterceptionResult<DbTransaction> TransactionStarting(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result)
    {
        if (result.HasResult || !IsSqlite(connection))
            return result;
        Release(connection);
        try
        {
            var gate = GateOf(connection);
            if (!gate.Wait(MaxWait))
                throw TurnTimeout(connection);
            Hold(connection, gate);
            return InterceptionResult<DbTransaction>.SuppressWithResult(connection.BeginTransaction(eventData.IsolationLevel));
        }
        catch
        {
            Release(connection);
            eventData.Context?.Database.CloseConnection();
            throw;
        }
    }

    public override void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) =>
        Release(eventData.Context?.Database.GetDbConnection());

    public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        Release(eventData.Context?.Database.GetDbConnection());
        return Task.CompletedTask;
    }

    public override void TransactionRolledBack(DbTransaction transaction, TransactionEndEventData eventData) =>
        Release(eventData.Context?.Database.GetDbConnection());

    public override Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        Release(eventData.Context?.Database.GetDbConnection());
        return Task.CompletedTask;
    }

    // EF Core counts how often a connection was opened, and does not take back the opening of a transaction that did not begin. The
    // connection would stay open behind the next transaction of the context, also if that is only disposed.
    private static Task CloseAsync(DbContext? database) => database?.Database.CloseConnectionAsync() ?? Task.CompletedTask;

    private TimeoutException TurnTimeout(DbConnection connection) =>
        new($"No turn to write to {connection.DataSource} within {MaxWait.TotalSeconds:0} s. "
            + "Does one transaction on this file wait for another?");

    private static bool IsSqlite(DbConnection connection) => connection.GetType().Name == "SqliteConnection";

    private static SemaphoreSlim GateOf(DbConnection connection) =>
        Gates.GetOrAdd(connection.DataSource, static _ => new SemaphoreSlim(1, 1));

    private static void Hold(DbConnection connection, SemaphoreSlim gate)
    {
        Held[connection] = gate;
        connection.StateChange += ReleaseClosed;
    }

    // A transaction that was only disposed ends with its connection. EF Core reports neither that, nor that a context which returns to its
    // pool closes its connection.
    private static void ReleaseClosed(object sender, StateChangeEventArgs change)
    {
        if (change.CurrentState == ConnectionState.Closed)
            Release((DbConnection)sender);
    }

    private static void Release(DbConnection? connection)
    {
        if (connection is null || !Held.TryRemove(connection, out var gate))
            return;
        connection.StateChange -= ReleaseClosed;
        gate.Release();
    }
}
