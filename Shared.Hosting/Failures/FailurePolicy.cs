using System.Data.Common;
using System.Net.Sockets;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Hosting.Failures;

/// <summary>Decides which failures are transient. They get a 503 from an endpoint, and a long retry of a message.</summary>
public static class FailurePolicy
{
    // Transient errors of SQL Server that EF Core's list lacks: deadlocks and lock timeouts; a full log, filegroup or disk; a read-only
    // database; exhausted memory; a failing disk; a server that shuts down or starts.
    private static readonly HashSet<int> OtherSqlServerNumbers =
    [
        -2, 20, 53, 64, 233, 601, 615, 617, 669, 701, 802, 823, 824, 825, 845, 921, 922, 926, 927, 942, 945, 952, 983, 1101, 1105, 1203,
        1204, 1205, 1221, 1222, 1807, 3906, 3908, 3935, 3960, 3966, 4060, 4221, 5144, 5145, 5149, 6005, 8628, 8645, 8651, 9001, 9002,
        10053, 10054, 10060, 10061, 10922, 10928, 10929, 10936, 11001, 17142, 17197, 17830, 18401, 18451, 18456, 40143, 40166, 40197,
        40501, 40540, 40544, 40549, 40550, 40551, 40552, 40553, 40613, 40615, 40627, 49918, 49919, 49920
    ];

    /// <summary>
    /// Whether a later retry can succeed: after a lost or refused connection, a deadlock, a lock timeout, a concurrent change, an exhausted
    /// pool, a full or failing disk, a read-only database, exhausted memory, or an unreachable broker.
    /// </summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        DbUpdateConcurrencyException => true,
        // The type stays unusable until a restart.
        TypeInitializationException => false,
        Microsoft.Data.Sqlite.SqliteException sqlite => IsTransient(sqlite),
        Microsoft.Data.SqlClient.SqlException server => IsTransient(server),
        // SqlClient reports an exhausted pool in no other way.
        InvalidOperationException { Source: "Microsoft.Data.SqlClient" } pool
            when pool.Message.Contains("pool", StringComparison.Ordinal) => true,
        // The server ended the session or did not begin it, so no statement is to blame. With a full disk, a new session can get XX000.
        Npgsql.PostgresException { InvariantSeverity: "FATAL" or "PANIC" } => true,
        Npgsql.PostgresException postgres => IsTransientState(postgres.SqlState) || postgres.IsTransient,
        DbException database => database.IsTransient || (database.InnerException is { } cause && IsTransient(cause)),
        TimeoutException or SocketException or EndOfStreamException or OutOfMemoryException => true,
        ConnectionException => true,
        RabbitMQ.Client.Exceptions.AlreadyClosedException or RabbitMQ.Client.Exceptions.OperationInterruptedException
            or RabbitMQ.Client.Exceptions.BrokerUnreachableException => true,
        { InnerException: { } inner } => IsTransient(inner),
        _ => false
    };

    /// <summary>Whether the transaction was chosen to end a deadlock.</summary>
    public static bool IsDeadlock(Exception exception) => exception switch
    {
        Npgsql.PostgresException { SqlState: "40P01" } => true,
        Microsoft.Data.SqlClient.SqlException { Number: 1205 } => true,
        { InnerException: { } inner } => IsDeadlock(inner),
        _ => false
    };

    // 5 busy, 6 locked, 7 out of memory, 8 read-only, 10 input or output, 13 disk full, 14 cannot open, 15 lock protocol.
    private static bool IsTransient(Microsoft.Data.Sqlite.SqliteException sqlite) =>
        sqlite.SqliteErrorCode is 5 or 6 or 7 or 8 or 10 or 13 or 14 or 15;

    private static bool IsTransient(Microsoft.Data.SqlClient.SqlException server) =>
#pragma warning disable EF1001 // The list that EnableRetryOnFailure uses is public nowhere else.
        Microsoft.EntityFrameworkCore.SqlServer.Storage.Internal.SqlServerTransientExceptionDetector.ShouldRetryOn(server)
#pragma warning restore EF1001
        || server.Errors.Cast<Microsoft.Data.SqlClient.SqlError>().Any(error => OtherSqlServerNumbers.Contains(error.Number));

    // 08 connection, 28 and 3D000 refused login, 40 rolled back, 53 out of resources, 57 stopped by an operator or a time limit, 58 system
    // error, 55P03 lock not available, 55006 object in use, 25006 read-only.
    private static bool IsTransientState(string state) =>
        state[..2] is "08" or "28" or "40" or "53" or "57" or "58" || state is "3D000" or "55P03" or "55006" or "25006";
}
