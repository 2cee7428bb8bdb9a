using System.Data.Common;
using System.Net.Sockets;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>
/// Describes a failure of a database for <c>/health/ready</c>, which anyone can read. The message of a driver can name hosts, users and
/// tables, so only the log has it.
/// </summary>
internal static class DatabaseFailure
{
    private const string Other = "The database reports an error.", Away = "The database server cannot be reached.",
        Full = "The disk or the database is full.", ReadOnly = "The database is read-only.", Busy = "The database is busy.",
        Refused = "The database refuses the connection.", Missing = "A table or column is missing; run the command migrate.",
        Broken = "The file is damaged or not a database.", Disk = "The disk fails.", Closed = "The file cannot be opened.";

    public static string Describe(Exception exception) => exception switch
    {
        SqliteException sqlite => Describe(sqlite),
        PostgresException postgres => Describe(postgres.SqlState),
        SqlException server => Describe(server.Number),
        _ when Causes(exception).Any(cause => cause is SocketException or EndOfStreamException or IOException) => Away,
        _ when Causes(exception).Any(cause => cause is TimeoutException) => "The database does not answer in time.",
        _ when Causes(exception).Any(cause => cause is OutOfMemoryException) => "The process has used up its memory.",
        { InnerException: DbException inner } => Describe(inner),
        _ => Other
    };

    private static string Describe(SqliteException sqlite) => sqlite.SqliteErrorCode switch
    {
        1 when sqlite.Message.Contains("no such ", StringComparison.Ordinal) => Missing,
        5 or 6 or 15 => Busy,
        8 => ReadOnly,
        10 => Disk,
        11 or 26 => Broken,
        13 => Full,
        14 => Closed,
        _ => Other
    };

    private static string Describe(string state) => state switch
    {
        "25006" => ReadOnly,
        "42P01" or "42703" => Missing,
        "53100" => Full,
        "53300" or "53400" or "55P03" => Busy,
        "58030" => Disk,
        "3D000" => "The database does not exist.",
        ['0', '8', ..] or ['5', '7', ..] => Away,
        ['2', '8', ..] or "55000" => Refused,
        _ => Other
    };

    private static string Describe(int number) => number switch
    {
        207 or 208 => Missing,
        823 or 824 or 825 => Disk,
        1101 or 1105 or 9002 => Full,
        1204 or 1205 or 1222 => Busy,
        3906 or 3908 => ReadOnly,
        4060 or 18451 or 18456 => Refused,
        -2 or 53 or 64 or 233 or 10053 or 10054 or 10060 or 10061 or 11001 => Away,
        _ => Other
    };

    private static IEnumerable<Exception> Causes(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
            yield return cause;
    }
}
