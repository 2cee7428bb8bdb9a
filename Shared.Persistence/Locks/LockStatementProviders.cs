using System.Text.RegularExpressions;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>How a database server is told to lock the rows a query finds until the transaction ends.</summary>
public interface ILockStatementProvider
{
    /// <summary>Adds the lock to a query.</summary>
    /// <param name="statement">A query as Entity Framework Core wrote it.</param>
    /// <param name="table">The table whose rows are to be locked, with its schema, delimited as in the query.</param>
    /// <returns>The query with the lock.</returns>
    string LockRows(string statement, string table);
}

/// <summary>Locks rows on SQL Server: <c>WITH (UPDLOCK, ROWLOCK)</c> behind the table.</summary>
/// <param name="enableSchemaCaching">Accepted for the documented constructor; what is kept here never mixes two contexts.</param>
public class SqlServerLockStatementProvider(bool enableSchemaCaching = true) : ILockStatementProvider
{
    /// <summary>Locks rows on SQL Server.</summary>
    /// <param name="schemaName">Accepted for the documented constructor; the schema is the model's.</param>
    /// <param name="enableSchemaCaching">As above.</param>
    public SqlServerLockStatementProvider(string schemaName, bool enableSchemaCaching = true)
        : this(enableSchemaCaching) => _ = schemaName;

    /// <summary>Accepted for the documented constructor; without effect.</summary>
    public bool EnableSchemaCaching { get; } = enableSchemaCaching;

    /// <inheritdoc />
    public virtual string LockRows(string statement, string table)
    {
        var from = $"FROM {table} AS ";
        var alias = statement.IndexOf(from, StringComparison.Ordinal) + from.Length;
        var end = alias < from.Length ? -1 : statement.IndexOf(']', alias);
        return end < 0 ? throw CannotLock(statement, table) : statement.Insert(end + 1, " WITH (UPDLOCK, ROWLOCK)");
    }

    internal static InvalidOperationException CannotLock(string statement, string table) =>
        new($"No rows of {table} can be locked in this query; leave CustomizeQuery to Include and Where:\n{statement}");
}

/// <summary>Locks rows on PostgreSQL: <c>FOR UPDATE</c> at the end.</summary>
/// <param name="enableSchemaCaching">Accepted for the documented constructor; what is kept here never mixes two contexts.</param>
public partial class PostgresLockStatementProvider(bool enableSchemaCaching = true) : ILockStatementProvider
{
    /// <summary>Locks rows on PostgreSQL.</summary>
    /// <param name="schemaName">Accepted for the documented constructor; the schema is the model's.</param>
    /// <param name="enableSchemaCaching">As above.</param>
    public PostgresLockStatementProvider(string schemaName, bool enableSchemaCaching = true)
        : this(enableSchemaCaching) => _ = schemaName;

    /// <summary>Accepted for the documented constructor; without effect.</summary>
    public bool EnableSchemaCaching { get; } = enableSchemaCaching;

    /// <inheritdoc />
    public virtual string LockRows(string statement, string table)
    {
        // Only what the query is about: the server refuses to lock the side of an outer join that may be missing.
        var alias = OutermostAlias().Match(statement);
        return alias.Success
            ? $"{statement.TrimEnd().TrimEnd(';')}\nFOR UPDATE OF {alias.Groups[1].Value}"
            : throw SqlServerLockStatementProvider.CannotLock(statement, table);
    }

    // What is nested is indented, so at the beginning of a line stands the outermost source: a table, or a query in brackets that ends here.
    [GeneratedRegex("""^(?:FROM [^(\n][^\n]*? AS |\) AS )("[^"\n]+"|\w+)""", RegexOptions.Multiline)]
    private static partial Regex OutermostAlias();
}

/// <summary>SQLite locks no rows: a transaction there begins as the only writer of its file, and so holds every row.</summary>
/// <param name="enableSchemaCaching">Accepted for the documented constructor; without effect.</param>
public class SqliteLockStatementProvider(bool enableSchemaCaching = true) : ILockStatementProvider
{
    /// <summary>Accepted for the documented constructor; without effect.</summary>
    public bool EnableSchemaCaching { get; } = enableSchemaCaching;

    /// <inheritdoc />
    public virtual string LockRows(string statement, string table) => statement;
}
