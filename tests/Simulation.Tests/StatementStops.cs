using System.Data.Common;
using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace ConcertSaga.Simulation.Tests;

/// <summary>
/// Stops flows before each statement and after each commit. A database has one writer at a time; others wait for it before they begin.
/// </summary>
internal sealed partial class StatementStops(Protection removed)
    : DbCommandInterceptor, IDbTransactionInterceptor, IDbConnectionInterceptor, ISaveChangesInterceptor
{
    // The connection that writes, by database.
    private readonly Dictionary<string, DbConnection> _writers = [];

    public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData,
        InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        await BeforeAsync(command);
        return result;
    }

    public override async ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(DbCommand command, CommandEventData eventData,
        InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        await BeforeAsync(command);
        return result;
    }

    public override async ValueTask<InterceptionResult<object>> ScalarExecutingAsync(DbCommand command, CommandEventData eventData,
        InterceptionResult<object> result, CancellationToken cancellationToken = default)
    {
        await BeforeAsync(command);
        return result;
    }

    async ValueTask<InterceptionResult<DbTransaction>> IDbTransactionInterceptor.TransactionStartingAsync(DbConnection connection,
        TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result, CancellationToken cancellationToken)
    {
        if (Flow.Current is { } flow)
            await flow.StopAsync("begins", () => IsFree(connection));
        _writers[connection.DataSource] = connection;
        return result;
    }

    async Task IDbTransactionInterceptor.TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken)
    {
        Release(eventData.Context!.Database.GetDbConnection());
        if (Flow.Current is not { } flow)
            return;
        flow.Committing?.Invoke();
        flow.Committing = null;
        await flow.StopAsync("has committed");
    }

    Task IDbTransactionInterceptor.TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken)
    {
        Release(eventData.Context!.Database.GetDbConnection());
        return Task.CompletedTask;
    }

    void IDbConnectionInterceptor.ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) =>
        DoNotWaitForDisk(connection);

    Task IDbConnectionInterceptor.ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData,
        CancellationToken cancellationToken)
    {
        DoNotWaitForDisk(connection);
        return Task.CompletedTask;
    }

    // A transaction that is only disposed ends when its connection closes.
    Task IDbConnectionInterceptor.ConnectionClosedAsync(DbConnection connection, ConnectionEndEventData eventData)
    {
        Release(connection);
        return Task.CompletedTask;
    }

    void IDbConnectionInterceptor.ConnectionClosed(DbConnection connection, ConnectionEndEventData eventData) => Release(connection);

    ValueTask<InterceptionResult<int>> ISaveChangesInterceptor.SavingChangesAsync(DbContextEventData eventData,
        InterceptionResult<int> result, CancellationToken cancellationToken)
    {
        // As the product does on SQLite.
        eventData.Context!.Database.AutoTransactionBehavior = AutoTransactionBehavior.Always;
        Protections.Remove(removed, eventData.Context.ChangeTracker);
        return ValueTask.FromResult(result);
    }

    private Task BeforeAsync(DbCommand command)
    {
        if (Flow.Current is not { } flow)
            return Task.CompletedTask;
#pragma warning disable CA2100 // A statement of the product, with one condition less.
        command.CommandText = Protections.Remove(removed, command.CommandText);
#pragma warning restore CA2100
        var connection = command.Connection!;
        var statement = Statement().Match(command.CommandText);
        var writesAlone = command.Transaction is null && statement.Groups["verb"].Value != "SELECT";
        return flow.StopAsync($"{statement.Groups["verb"]} {statement.Groups["table"]}", writesAlone ? () => IsFree(connection) : null);
    }

    private bool IsFree(DbConnection connection) => !_writers.ContainsKey(connection.DataSource);

    [GeneratedRegex("^\\s*(?<verb>[A-Z]+).*?(FROM|INTO|UPDATE) \"(?<table>[A-Za-z]+)\"", RegexOptions.Singleline)]
    private static partial Regex Statement();

    // Nothing survives the test, whatever is killed in it.
    private static void DoNotWaitForDisk(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA synchronous = OFF";
        command.ExecuteNonQuery();
    }

    private void Release(DbConnection connection)
    {
        if (_writers.TryGetValue(connection.DataSource, out var writer) && writer == connection)
            _writers.Remove(connection.DataSource);
    }
}
