using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Begins a transaction when a handler executes its own statement: a save, <c>ExecuteUpdate</c>, <c>ExecuteDelete</c> or SQL. A handler
/// that only tracks changes runs without a transaction, so it can share a commit.
/// </summary>
internal sealed class HandlerTransaction : DbCommandInterceptor, ISaveChangesInterceptor
{
    public static readonly HandlerTransaction Instance = new();

    private HandlerTransaction()
    {
    }

    async ValueTask<InterceptionResult<int>> ISaveChangesInterceptor.SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken)
    {
        if (MissingIn(eventData.Context) is { } isolation)
            await eventData.Context!.Database.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false);
        return result;
    }

    InterceptionResult<int> ISaveChangesInterceptor.SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (MissingIn(eventData.Context) is { } isolation)
            eventData.Context!.Database.BeginTransaction(isolation);
        return result;
    }

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default) =>
        BeginAsync(command, eventData, result, cancellationToken);

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default) =>
        BeginAsync(command, eventData, result, cancellationToken);

    public override ValueTask<InterceptionResult<object>> ScalarExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<object> result, CancellationToken cancellationToken = default) =>
        BeginAsync(command, eventData, result, cancellationToken);

    public override InterceptionResult<DbDataReader> ReaderExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result) =>
        Begin(command, eventData, result);

    public override InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData,
        InterceptionResult<int> result) =>
        Begin(command, eventData, result);

    public override InterceptionResult<object> ScalarExecuting(DbCommand command, CommandEventData eventData,
        InterceptionResult<object> result) =>
        Begin(command, eventData, result);

    private static IsolationLevel? MissingIn(DbContext? database) =>
        OutboxScope.Of(database)?.HandlerIsolation is { } isolation && database!.Database.CurrentTransaction is null ? isolation : null;

    private static IsolationLevel? MissingFor(CommandEventData eventData) =>
        eventData.CommandSource is CommandSource.ExecuteUpdate or CommandSource.ExecuteDelete or CommandSource.ExecuteSqlRaw
            or CommandSource.FromSqlQuery
            ? MissingIn(eventData.Context)
            : null;

    private static ValueTask<T> BeginAsync<T>(DbCommand command, CommandEventData eventData, T result,
        CancellationToken cancellationToken) =>
        MissingFor(eventData) is { } isolation
            ? BeginForAsync(command, eventData.Context!, isolation, result, cancellationToken)
            : ValueTask.FromResult(result);

    private static async ValueTask<T> BeginForAsync<T>(
        DbCommand command, DbContext database, IsolationLevel isolation, T result, CancellationToken cancellationToken)
    {
        var transaction = await database.Database.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false);
        command.Transaction = transaction.GetDbTransaction();
        return result;
    }

    private static T Begin<T>(DbCommand command, CommandEventData eventData, T result)
    {
        if (MissingFor(eventData) is { } isolation)
            command.Transaction = eventData.Context!.Database.BeginTransaction(isolation).GetDbTransaction();
        return result;
    }
}
