using System.Data;
using System.Data.Common;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace ConcertSaga.Seats.Import;

/// <summary>The result of an import. If there are errors, it changed nothing.</summary>
public sealed record ImportResult(long Concerts, long Schedules, long Seats, long ErrorCount, IReadOnlyList<PlanError> FirstErrors);

/// <summary>
/// Imports a plan completely or not at all. It streams the rows into temporary tables without locks; then one transaction checks and
/// moves them. That transaction locks the schedules that get more seats. Reads never wait.
/// </summary>
public sealed class SeatImport : IAsyncDisposable
{
    private static readonly BulkColumn<ConcertRow>[] BulkConcerts =
    [
        new("Position", row => row.Position), new("ConcertId", row => row.ConcertId), new("Title", row => row.Title),
        new("Venue", row => row.Venue), new("SaleOpensAt", row => row.SaleOpensAt), new("SaleClosesAt", row => row.SaleClosesAt),
        new("TimeZone", row => row.TimeZone)
    ];

    private static readonly BulkColumn<SeatRow>[] BulkSeats =
    [
        new("Position", row => row.Position), new("ScheduleId", row => row.ScheduleId), new("Number", row => row.Number),
        new("Price", row => row.Price)
    ];

    private const int MaxAttempts = 5;

    private readonly SeatsDbContext _database;
    private readonly ImportStatements _statements;
    private readonly IReadOnlyList<PlanFile> _files;
    private readonly VenuePlanBuilder _venuePlans = new();
    private readonly BulkColumn<ScheduleRow>[] _bulkSchedules;
    private PlanErrors _errors;

    // The number of concerts and schedules in the temporary tables.
    private long _stagedParents;

    private SeatImport(SeatsDbContext database, IReadOnlyList<PlanFile> files)
    {
        _database = database;
        _files = files;
        _statements = ImportStatements.Of(database);
        _errors = new PlanErrors([.. files.Select(file => file.Name)]);
        _bulkSchedules =
        [
            new("Position", row => row.Position), new("ScheduleId", row => row.ScheduleId), new("ConcertId", row => row.ConcertId),
            new("StartsAt", row => row.StartsAt), new("VenuePlanId", row => _venuePlans.IdOf(row.VenuePlan))
        ];
    }

    private DbConnection Connection => _database.Database.GetDbConnection();

    /// <summary>Imports the files of a plan, in any order.</summary>
    /// <param name="database">A database with the current schema.</param>
    /// <param name="names">The names of the files.</param>
    /// <param name="dryRun">Whether to check everything but change nothing.</param>
    /// <param name="progress">Receives the current file and the number of its rows read so far.</param>
    /// <param name="cancellationToken">Stops the import without changes.</param>
    /// <exception cref="Shared.Hosting.StartupException">A file cannot be read, or does not belong to a plan.</exception>
    public static async Task<ImportResult> RunAsync(
        SeatsDbContext database, IReadOnlyList<string> names, bool dryRun, Action<string, long>? progress,
            CancellationToken cancellationToken)
    {
        var files = new List<PlanFile>();
        try
        {
            files.AddRange(names.Select(PlanFile.Open));
            await using var import = new SeatImport(database, [.. files.OrderBy(file => file.Kind)]);
            return await import.RunAsync(dryRun, progress, cancellationToken);
        }
        finally
        {
            files.ForEach(file => file.Dispose());
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The connection returns to its pool, so its temporary tables must go.
        try
        {
            foreach (var statement in Connection.State == ConnectionState.Open ? _statements.Drop : [])
                await ExecuteAsync(statement, null, CancellationToken.None);
        }
        catch (DbException)
        {
            // The tables do not exist, or they ended with the connection.
        }
        await _database.Database.CloseConnectionAsync();
    }

    private async Task<ImportResult> RunAsync(bool dryRun, Action<string, long>? progress, CancellationToken cancellationToken)
    {
        await _database.Database.OpenConnectionAsync(cancellationToken);
        foreach (var statement in _statements.Create)
            await ExecuteAsync(statement, null, cancellationToken);
        await StageAsync(progress, cancellationToken);
        if (Connection is NpgsqlConnection)
        {
            foreach (var statement in _statements.Analyze)
                await ExecuteAsync(statement, null, cancellationToken);
        }

        var errorsOfFiles = _errors;
        for (var attempt = 1; ; attempt++)
        {
            _errors = errorsOfFiles.Copy();
            try
            {
                if (await MoveAsync(dryRun, cancellationToken) is { } result)
                    return result;
                if (attempt >= MaxAttempts)
                    throw new StartupException("Other imports keep changing the same rows; nothing was imported. Try again.");
            }
            catch (DbException exception) when (ImportConflicts.Are(exception) && attempt < MaxAttempts)
            {
                // Another import or statement was faster. By now its rows are committed or gone, so the next check reports them correctly.
            }
        }
    }

    // Checks all rows and moves them into the tables, in one transaction. Returns null if a row was neither moved nor reported, because
    // another transaction committed it meanwhile.
    private async Task<ImportResult?> MoveAsync(bool dryRun, CancellationToken cancellationToken)
    {
        await using var transaction = await _database.Database.BeginTransactionAsync(cancellationToken);
        var dbTransaction = transaction.GetDbTransaction();
        var wrong = await CheckConcertsAsync(dbTransaction, cancellationToken);
        var concerts = await ExecuteAsync(_statements.InsertConcerts, dbTransaction, cancellationToken);
        wrong += await CheckSchedulesAsync(dbTransaction, cancellationToken);
        if (_database is PostgreSqlSeatsDbContext)
            await ExecuteAsync(_statements.LockSchedules, dbTransaction, cancellationToken);
        await ExecuteAsync(_statements.ChangeSeatMaps, dbTransaction, cancellationToken);
        await InsertVenuePlansAsync(dbTransaction, cancellationToken);
        var schedules = await ExecuteAsync(_statements.InsertSchedules, dbTransaction, cancellationToken);
        if (wrong + concerts + schedules != _stagedParents)
            return null;
        await CheckSeatsAsync(dbTransaction, cancellationToken);
        await CheckSizesAsync(dbTransaction, cancellationToken);
        if (_errors.Count > 0)
        {
            await transaction.RollbackAsync(cancellationToken);
            return new ImportResult(0, 0, 0, _errors.Count, _errors.First);
        }
        var seats = await ExecuteAsync(_statements.InsertSeats, dbTransaction, cancellationToken);
        if (dryRun)
            await transaction.RollbackAsync(cancellationToken);
        else
            await transaction.CommitAsync(cancellationToken);
        return new ImportResult(concerts, schedules, seats, 0, []);
    }

    private async Task StageAsync(Action<string, long>? progress, CancellationToken cancellationToken)
    {
        foreach (var (index, file) in _files.Index().Where(entry => entry.Item.Kind == PlanKind.VenuePlans))
            _venuePlans.Add(file.VenuePlans(index, _errors), _errors);
        _venuePlans.Complete(_errors);
        foreach (var (index, file) in _files.Index().Where(entry => entry.Item.Kind != PlanKind.VenuePlans))
        {
            // Without a transaction, SQLite would commit every row. On temporary tables alone it locks nothing.
            await using var transaction = Connection is Microsoft.Data.Sqlite.SqliteConnection sqlite
                ? sqlite.BeginTransaction(deferred: true) : null;
            Action<long>? report = progress is null ? null : count => progress(file.Name, count);
            var rows = await (file.Kind switch
            {
                PlanKind.Concerts => WriteAsync(_statements.Concerts, BulkConcerts, file.Concerts(index, _errors)),
                PlanKind.Schedules =>
                    WriteAsync(_statements.Schedules, _bulkSchedules, file.Schedules(index, _errors, _venuePlans.Has)),
                _ => WriteAsync(_statements.Seats, BulkSeats, file.Seats(index, _errors))
            });
            if (file.Kind != PlanKind.Seats)
                _stagedParents += rows;
            if (transaction is not null)
                await transaction.CommitAsync(cancellationToken);

            Task<long> WriteAsync<TRow>(string table, BulkColumn<TRow>[] columns, IEnumerable<TRow> fileRows) =>
                BulkRows.WriteAsync(Connection, transaction, table, columns, fileRows, report, cancellationToken);
        }
    }

    private Task<int> CheckConcertsAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        CheckAsync(_statements.WrongConcerts, transaction, row =>
        {
            var (position, id, first) = (row.GetInt64(0), row.GetInt32(1), row.GetInt64(2));
            return position != first ? RepetitionOf($"concertId {id}", first) : $"there is already a concert {id}.";
        }, cancellationToken);

    private Task<int> CheckSchedulesAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        CheckAsync(_statements.WrongSchedules, transaction, row =>
        {
            var (position, id, concertId, first) = (row.GetInt64(0), row.GetInt32(1), row.GetInt32(2), row.GetInt64(3));
            return position != first ? RepetitionOf($"scheduleId {id}", first)
                : row.IsDBNull(4) ? $"there is no concert {concertId}."
                : $"there is already a schedule {id}.";
        }, cancellationToken);

    private Task<int> CheckSeatsAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        CheckAsync(_statements.WrongSeats, transaction, row =>
        {
            var (position, scheduleId, number, first) = (row.GetInt64(0), row.GetInt32(1), row.GetInt32(2), row.GetInt64(3));
            return row.IsDBNull(4) ? $"there is no schedule {scheduleId}."
                : position != first ? RepetitionOf($"seat {number} of schedule {scheduleId}", first)
                : $"schedule {scheduleId} already has a seat {number}.";
        }, cancellationToken);

    // The totals already include the seats of this plan.
    private Task<int> CheckSizesAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        CheckAsync(_statements.TooLargeSchedules, transaction, row =>
            $"schedule {row.GetInt32(1)} would have {row.GetInt32(2)} seats; allowed: at most {ImportStatements.MaxSeats}, "
            + "because its seats are served as one map.", cancellationToken);

    private string RepetitionOf(string key, long first) =>
        $"{key} is already in {_errors.FileOf(first)}:{PlanErrors.LineOf(first)}.";

    private async Task<int> CheckAsync(
        string statement, DbTransaction transaction, Func<DbDataReader, string> reason, CancellationToken cancellationToken)
    {
        await using var command = Command(statement, transaction);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var count = 0;
        for (; await reader.ReadAsync(cancellationToken); count++)
            _errors.Add(reader.GetInt64(0), reason(reader));
        return count;
    }

    private async Task InsertVenuePlansAsync(DbTransaction transaction, CancellationToken cancellationToken)
    {
        foreach (var plan in _venuePlans.Documents)
        {
            await using var command = Command(ImportStatements.InsertVenuePlan, transaction);
            foreach (var (name, value) in new (string, object)[] { ("@id", plan.VenuePlanId), ("@content", plan.Content) })
            {
                var parameter = command.CreateParameter();
                (parameter.ParameterName, parameter.Value) = (name, value);
                command.Parameters.Add(parameter);
            }
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private async Task<int> ExecuteAsync(string statement, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        await using var command = Command(statement, transaction);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private DbCommand Command(string statement, DbTransaction? transaction)
    {
        var command = Connection.CreateCommand();
        command.Transaction = transaction;
        // No time limit: millions of rows take long, and the operator can stop the import.
        command.CommandTimeout = 0;
#pragma warning disable CA2100 // Constants of this program.
        command.CommandText = statement;
#pragma warning restore CA2100
        return command;
    }
}
