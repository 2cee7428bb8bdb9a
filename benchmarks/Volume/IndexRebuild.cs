using System.Data.Common;
using ConcertSaga.Shared.Hosting.Databases;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// Drops the keys, references and indexes of tables before a bulk load, and creates them again from the server's own definitions. SQLite
/// keeps its keys, and SQL Server its clustered ones, because they cannot be dropped.
/// </summary>
internal sealed class IndexRebuild
{
    private const string PostgreSql = """
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
               format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)), conname::text
        FROM pg_constraint
        WHERE conrelid IN (@tables) AND contype IN ('f', 'p')
        UNION ALL
        SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid), indexrelid::regclass::text
        FROM pg_index WHERE indrelid IN (@tables) AND NOT indisprimary
        ORDER BY 2
        """;

    private const string Sqlite = """
        SELECT 'DROP INDEX "' || name || '"', sql, name FROM sqlite_master
        WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('Concerts', 'Schedules', 'Seats')
        """;

    private const string SqlServer = """
        SELECT CONCAT('ALTER INDEX ', QUOTENAME(i.name), ' ON ', QUOTENAME(t.name), ' DISABLE'),
               CONCAT('ALTER INDEX ', QUOTENAME(i.name), ' ON ', QUOTENAME(t.name), ' REBUILD'), i.name
        FROM sys.indexes i JOIN sys.tables t ON t.object_id = i.object_id WHERE i.type = 2 AND t.name IN ('Concerts', 'Schedules', 'Seats')
        UNION ALL
        SELECT CONCAT('ALTER TABLE ', QUOTENAME(t.name), ' NOCHECK CONSTRAINT ALL'),
               CONCAT('ALTER TABLE ', QUOTENAME(t.name), ' WITH CHECK CHECK CONSTRAINT ALL'), CONCAT('references of ', t.name)
        FROM sys.tables t WHERE t.name IN ('Schedules', 'Seats')
        """;

    private readonly List<string[]> _all;

    private IndexRebuild(List<string[]> all) => _all = all;

    /// <summary>Drops keys, references and indexes of the catalogue.</summary>
    public static Task<IndexRebuild> DropAsync(DbConnection connection, DatabaseProvider provider, CancellationToken cancellationToken) =>
        provider == DatabaseProvider.PostgreSql
            ? DropAsync(connection, ["Concerts", "Schedules", "Seats"], cancellationToken)
            : DropAsync(connection, provider, provider == DatabaseProvider.SqlServer ? SqlServer : Sqlite, cancellationToken);

    /// <summary>Drops keys, references and indexes of tables in PostgreSQL.</summary>
    public static Task<IndexRebuild> DropAsync(DbConnection connection, IEnumerable<string> tables, CancellationToken cancellationToken) =>
        DropAsync(connection, DatabaseProvider.PostgreSql, PostgreSql.Replace(
            "@tables", string.Join(", ", tables.Select(table => $"'\"{table}\"'::regclass")), StringComparison.Ordinal), cancellationToken);

    private static async Task<IndexRebuild> DropAsync(
        DbConnection connection, DatabaseProvider provider, string query, CancellationToken cancellationToken)
    {
        var all = await CatalogueDatabase.QueryAsync(connection, query, cancellationToken);
        // References depend on keys: they are dropped first and created last.
        var indexes = new IndexRebuild([.. all.OrderByDescending(item => item[1].Contains("FOREIGN KEY", StringComparison.Ordinal))]);
        if (provider == DatabaseProvider.Sqlite)
            await CatalogueDatabase.ExecuteAsync(connection, "PRAGMA foreign_keys = OFF", cancellationToken);
        foreach (var item in indexes._all)
            await CatalogueDatabase.ExecuteAsync(connection, item[0], cancellationToken);
        return indexes;
    }

    /// <summary>Creates them again, and lets the caller time each.</summary>
    public async Task CreateAsync(DbConnection connection, Func<string, Task, Task> time, CancellationToken cancellationToken)
    {
        foreach (var item in Enumerable.Reverse(_all))
            await time(item[2], CatalogueDatabase.ExecuteAsync(connection, item[1], cancellationToken));
        if (connection is Microsoft.Data.Sqlite.SqliteConnection)
            await time("references", CatalogueDatabase.ExecuteAsync(connection, "PRAGMA foreign_key_check", cancellationToken));
    }
}
