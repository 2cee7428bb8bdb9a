using System.Data.Common;
using ConcertSaga.Shared.Hosting.Failures;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>
/// Checks that the database can be read and, every few seconds, that it can be written: a full disk or a read-only database still serves
/// reads. A failed write makes the process degraded; a failed read makes it unhealthy.
/// </summary>
internal sealed class DatabaseHealthCheck<TContext>(DatabaseProvider provider, SqliteFile? file) : IHealthCheck, IDisposable
    where TContext : DbContext
{
    private static readonly TimeSpan WriteInterval = TimeSpan.FromSeconds(3), ReadLimit = TimeSpan.FromSeconds(4),
        WriteLimit = TimeSpan.FromSeconds(4);

    // SQLite keeps changes in memory until the commit, so the write must be committed; nothing else uses user_version. PostgreSQL extends a
    // file for a new table at once, and SQL Server reserves log space for a changed row, so there a rollback is enough.
    private static readonly Dictionary<DatabaseProvider, (string Sql, bool IsCommitted)> Writes = new()
    {
        [DatabaseProvider.Sqlite] = ("PRAGMA user_version = 1", true),
        [DatabaseProvider.PostgreSql] = ("CREATE TEMP TABLE \"HealthProbe\" AS SELECT repeat('x', 100) AS \"Text\"", false),
        [DatabaseProvider.SqlServer] = ("UPDATE [__EFMigrationsHistory] SET [ProductVersion] = [ProductVersion]", false)
    };

    private readonly SemaphoreSlim _turn = new(1, 1);
    private IServiceScopeFactory _scopes = null!;
    private long _checkedAt;
    private (string Reason, Exception? Cause)? _cannotWrite;

    /// <summary>Returns this one instance for every check, because it remembers the time of the last write.</summary>
    public IHealthCheck Use(IServiceProvider services)
    {
        _scopes = services.GetRequiredService<IServiceScopeFactory>();
        return this;
    }

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (file?.Problem() is { } problem)
            return HealthCheckResult.Unhealthy(problem);
        if (await FailureOfAsync(ReadAsync, ReadLimit, cancellationToken) is { } failure)
            return HealthCheckResult.Unhealthy($"The database cannot be read. {failure.Reason}", failure.Cause);
        return await CannotWriteAsync(cancellationToken) is { } failing
            ? HealthCheckResult.Degraded($"The database cannot be written. {failing.Reason}", failing.Cause)
            : HealthCheckResult.Healthy();
    }

    public void Dispose() => _turn.Dispose();

    private async Task<(string Reason, Exception? Cause)?> CannotWriteAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            // Not the injected clock: a test that stops it must not stop these writes.
            var clock = TimeProvider.System;
            if (_checkedAt != 0 && clock.GetElapsedTime(_checkedAt) < WriteInterval)
                return _cannotWrite;
            _cannotWrite = await FailureOfAsync(WriteAsync, WriteLimit, cancellationToken);
            _checkedAt = clock.GetTimestamp();
            return _cannotWrite;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<(string Reason, Exception? Cause)?> FailureOfAsync(
        Func<DatabaseFacade, CancellationToken, Task> tryAsync, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(limit);
        try
        {
            await using var scope = _scopes.CreateAsyncScope();
            await tryAsync(scope.ServiceProvider.GetRequiredService<TContext>().Database, limited.Token);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ($"No answer within {limit.TotalSeconds:0} s.", null);
        }
        catch (Exception exception) when (exception is DbException || FailurePolicy.IsTransient(exception))
        {
            return (DatabaseFailure.Describe(exception), exception);
        }
    }

    // On SQLite, SELECT 1 would not read the file.
    private Task ReadAsync(DatabaseFacade database, CancellationToken cancellationToken) =>
        database.ExecuteSqlRawAsync(provider == DatabaseProvider.Sqlite ? "PRAGMA schema_version" : "SELECT 1", cancellationToken);

    private async Task WriteAsync(DatabaseFacade database, CancellationToken cancellationToken)
    {
        var (sql, isCommitted) = Writes[provider];
        await using var transaction = await database.BeginTransactionAsync(cancellationToken);
        await database.ExecuteSqlRawAsync(sql, cancellationToken);
        if (isCommitted)
            await transaction.CommitAsync(cancellationToken);
        else
            await transaction.RollbackAsync(cancellationToken);
    }
}
