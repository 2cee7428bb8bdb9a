using System.Text.RegularExpressions;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Makes a query lock the rows it finds until the transaction ends.</summary>
public interface ILockStatementProvider
{
    /// <summary>Adds the lock to a query.</summary>
    /// <param name="statement">A query that Entity Framework Core generated.</param>
    /// <param name="table">The table to lock rows of, with its schema, delimited as in the query.</param>
    /// <returns>The query with the lock.</returns>
    string LockRows(string statement, string table);
}

/// <summary>Locks rows on SQL Server: <c>WITH (UPDLOCK, ROWLOCK)</c> after the table.</summary>
/// <param name="enableSchemaCaching">Accepted for compatibility, without effect.</param>
public class SqlServerLockStatementProvider(bool enableSchemaCaching = true) : ILockStatementProvider
{
    /// <summary>Locks rows on SQL Server.</summary>
    /// <param name="schemaName">Accepted for compatibility; the schema comes from the model.</param>
    /// <param name="enableSchemaCaching">Accepted for compatibility, without effect.</param>
    public SqlServerLockStatementProvider(string schemaName, bool enableSchemaCaching = true)
        : this(enableSchemaCaching) => _ = schemaName;

    /// <summary>Accepted for compatibility, without effect.</summary>
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
        new($"This query cannot lock rows of {table}. Use only Include and Where in CustomizeQuery:\n{statement}");
}

/// <summary>Locks rows on PostgreSQL: <c>FOR UPDATE</c> at the end.</summary>
/// <param name="enableSchemaCaching">Accepted for compatibility, without effect.</param>
public partial class PostgresLockStatementProvider(bool enableSchemaCaching = true) : ILockStatementProvider
{
    /// <summary>Locks rows on PostgreSQL.</summary>
    /// <param name="schemaName">Accepted for compatibility; the schema comes from the model.</param>
    /// <param name="enableSchemaCaching">Accepted for compatibility, without effect.</param>
    public PostgresLockStatementProvider(string schemaName, bool enableSchemaCaching = true)
        : this(enableSchemaCaching) => _ = schemaName;

    /// <summary>Accepted for compatibility, without effect.</summary>
    public bool EnableSchemaCaching { get; } = enableSchemaCaching;

    /// <inheritdoc />
    public virtual string LockRows(string statement, string table)
    {
        // Locks only the outermost source: PostgreSQL rejects a lock on the nullable side of an outer join.
        var alias = OutermostAlias().Match(statement);
        return alias.Success
            ? $"{statement.TrimEnd().TrimEnd(';')}\nFOR UPDATE OF {alias.Groups[1].Value}"
            : throw SqlServerLockStatementProvider.CannotLock(statement, table);
    }

    // Entity Framework Core indents nested queries. The outermost source, a table or a query in brackets, ends on a line that starts at
    // column 0.
    [GeneratedRegex("""^(?:FROM [^(\n][^\n]*? AS |\) AS )("[^"\n]+"|\w+)""", RegexOptions.Multiline)]
    private static partial Regex OutermostAlias();
}

/// <summary>Adds no locks: a SQLite transaction begins as the only writer of its file, so it holds every row.</summary>
/// <param name="enableSchemaCaching">Accepted for compatibility, without effect.</param>
public class SqliteLockStatementProvider(bool enableSchemaCaching = true) : ILockStatementProvider
{
    /// <summary>Accepted for compatibility, without effect.</summary>
    public bool EnableSchemaCaching { get; } = enableSchemaCaching;

    /// <inheritdoc />
    public virtual string LockRows(string statement, string table) => statement;
}
