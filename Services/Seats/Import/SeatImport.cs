using System.Data.Common;
using ConcertSaga.Seats.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace ConcertSaga.Seats.Import;

/// <summary>What an import came to. With errors nothing was changed.</summary>
public sealed record ImportResult(long Concerts, long Schedules, long Seats, long ErrorCount, IReadOnlyList<PlanError> FirstErrors);

/// <summary>
/// Imports a plan, all of it or nothing. Rows are streamed into tables of this connection, where nobody else is kept waiting; then one
/// transaction judges all of them and moves them. Dates that get more seats are locked from there to its end, and reads go on all the time.
/// </summary>
public sealed class SeatImport : IAsyncDisposable
{
    private static readonly BulkColumn<ConcertRow>[] ConcertColumns =
    [
        new("Position") { Amount = row => row.Position }, new("ConcertId") { Number = row => row.ConcertId },
        new("Title") { Text = row => row.Title }, new("Venue") { Text = row => row.Venue },
        new("SaleOpensAt") { Instant = row => row.SaleOpensAt }, new("SaleClosesAt") { Instant = row => row.SaleClosesAt }
    ];

    private static readonly BulkColumn<ScheduleRow>[] ScheduleColumns =
    [
        new("Position") { Amount = row => row.Position }, new("ScheduleId") { Number = row => row.ScheduleId },
        new("ConcertId") { Number = row => row.ConcertId }, new("StartsAt") { Instant = row => row.StartsAt }
    ];

    private static readonly BulkColumn<SeatRow>[] SeatColumns =
    [
        new("Position") { Amount = row => row.Position }, new("ScheduleId") { Number = row => row.ScheduleId },
        new("Number") { Number = row => row.Number }, new("Price") { Amount = row => row.Price }
    ];

    private readonly SeatsDbContext _database;
    private readonly ImportStatements _statements;
    private readonly IReadOnlyList<PlanFile> _files;
    private readonly PlanErrors _errors;

    private SeatImport(SeatsDbContext database, IReadOnlyList<PlanFile> files)
    {
        (_database, _files) = (database, files);
        _statements = ImportStatements.Of(database);
        _errors = new PlanErrors([.. files.Select(file => file.Name)]);
    }

    private DbConnection Connection => _database.Database.GetDbConnection();

    /// <summary>Imports files of a plan, which may be given in any order.</summary>
    /// <param name="database">Migrated.</param>
    /// <param name="names">The files.</param>
    /// <param name="dryRun">Judges everything and changes nothing.</param>
    /// <param name="progress">Hears every now and then which file is being read, and how many of its rows were.</param>
    /// <param name="cancellationToken">Ends it with nothing changed.</param>
    /// <exception cref="Shared.Hosting.StartupException">A file cannot be read, or is none of a plan.</exception>
    public static async Task<ImportResult> RunAsync(
        SeatsDbContext database, IReadOnlyList<string> names, bool dryRun, Action<string, long>? progress, CancellationToken cancellationToken)
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
        // The connection goes back to its pool; its own tables must not.
        try
        {
            foreach (var statement in _statements.Drop)
                await ExecuteAsync(statement, null, CancellationToken.None);
        }
        catch (DbException)
        {
            // They were not made, or the connection is lost, and they with it.
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

        await using var transaction = await _database.Database.BeginTransactionAsync(cancellationToken);
        var within = transaction.GetDbTransaction();
        await JudgeConcertsAsync(within, cancellationToken);
        var concerts = await ExecuteAsync(_statements.InsertConcerts, within, cancellationToken);
        await JudgeSchedulesAsync(within, cancellationToken);
        await ExecuteAsync(_statements.ChangeSeatMaps, within, cancellationToken);
        var schedules = await ExecuteAsync(_statements.InsertSchedules, within, cancellationToken);
        await JudgeSeatsAsync(within, cancellationToken);
        if (_errors.Count > 0)
        {
            await transaction.RollbackAsync(cancellationToken);
            return new ImportResult(0, 0, 0, _errors.Count, _errors.First);
        }
        var seats = await ExecuteAsync(_statements.InsertSeats, within, cancellationToken);
        if (dryRun)
            await transaction.RollbackAsync(cancellationToken);
        else
            await transaction.CommitAsync(cancellationToken);
        return new ImportResult(concerts, schedules, seats, 0, []);
    }

    private async Task StageAsync(Action<string, long>? progress, CancellationToken cancellationToken)
    {
        foreach (var (place, file) in _files.Index())
        {
            // SQLite would otherwise commit every row by itself; a transaction that only knows this connection's tables locks nothing.
            await using var transaction = Connection is Microsoft.Data.Sqlite.SqliteConnection sqlite ? sqlite.BeginTransaction(deferred: true) : null;
            Action<long>? report = progress is null ? null : rows => progress(file.Name, rows);
            await (file.Kind switch
            {
                PlanKind.Concerts => BulkRows.WriteAsync(
                    Connection, transaction, _statements.Concerts, ConcertColumns, file.Concerts(place, _errors), report, cancellationToken),
                PlanKind.Schedules => BulkRows.WriteAsync(
                    Connection, transaction, _statements.Schedules, ScheduleColumns, file.Schedules(place, _errors), report, cancellationToken),
                _ => BulkRows.WriteAsync(
                    Connection, transaction, _statements.Seats, SeatColumns, file.Seats(place, _errors), report, cancellationToken)
            });
            if (transaction is not null)
                await transaction.CommitAsync(cancellationToken);
        }
    }

    private Task JudgeConcertsAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        JudgeAsync(_statements.WrongConcerts, transaction, row =>
        {
            var (position, id, first) = (row.GetInt64(0), row.GetInt32(1), row.GetInt64(2));
            return position != first ? Repeated($"concertId {id}", first) : $"there is already a concert {id}.";
        }, cancellationToken);

    private Task JudgeSchedulesAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        JudgeAsync(_statements.WrongSchedules, transaction, row =>
        {
            var (position, id, concertId, first) = (row.GetInt64(0), row.GetInt32(1), row.GetInt32(2), row.GetInt64(3));
            return position != first ? Repeated($"scheduleId {id}", first)
                : row.IsDBNull(4) ? $"there is no concert {concertId}."
                : $"there is already a schedule {id}.";
        }, cancellationToken);

    private Task JudgeSeatsAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        JudgeAsync(_statements.WrongSeats, transaction, row =>
        {
            var (position, scheduleId, number, first) = (row.GetInt64(0), row.GetInt32(1), row.GetInt32(2), row.GetInt64(3));
            return row.IsDBNull(4) ? $"there is no schedule {scheduleId}."
                : position != first ? Repeated($"seat {number} of schedule {scheduleId}", first)
                : $"schedule {scheduleId} already has a seat {number}.";
        }, cancellationToken);

    private string Repeated(string what, long first)
    {
        var earlier = new PlanErrors([.. _files.Select(file => file.Name)]);
        earlier.Add(first, "");
        var where = earlier.First[0];
        return $"{what} was in {where.File}:{where.Line} before.";
    }

    private async Task JudgeAsync(string statement, DbTransaction transaction, Func<DbDataReader, string> reason, CancellationToken cancellationToken)
    {
        await using var command = Command(statement, transaction);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            _errors.Add(reader.GetInt64(0), reason(reader));
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
        // Millions of rows take their time, and whoever started this can end it.
        command.CommandTimeout = 0;
#pragma warning disable CA2100 // Constants of this program.
        command.CommandText = statement;
#pragma warning restore CA2100
        return command;
    }
}
