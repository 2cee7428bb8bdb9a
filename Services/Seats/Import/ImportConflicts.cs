using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace ConcertSaga.Seats.Import;

/// <summary>Recognizes failures that another transaction caused and that leave the connection usable, on each server.</summary>
internal static class ImportConflicts
{
    // SQLITE_CONSTRAINT and SQLITE_BUSY.
    private const int Constraint = 19, Busy = 5;

    public static bool Are(DbException exception) => exception switch
    {
        PostgresException postgres => postgres.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.ForeignKeyViolation
            or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure,
        // Duplicate keys (two numbers), a foreign key, a deadlock victim.
        SqlException server => server.Number is 2627 or 2601 or 547 or 1205,
        SqliteException sqlite => sqlite.SqliteErrorCode is Constraint or Busy,
        _ => false
    };
}
